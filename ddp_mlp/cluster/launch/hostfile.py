"""Hosts to start ranks on: one file for either MPI, which both want written differently."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ddp_mlp.config import MOST_MICRO_BATCHES
from ddp_mlp.errors import UsageError, literal
from ddp_mlp.small_files import read_small

#: Seconds that a machine has for letting somebody in.
_PATIENCE_S = 10

#: Of a host; more digits than that are no number of ranks.
_SLOTS = r"[1-9][0-9]{0,5}"
_LINE = re.compile(
    rf"(?P<name>\w[\w.-]{{0,254}})(?:(?::|\s+slots\s*=\s*)(?P<slots>{_SLOTS}))?(?:\s+max_slots\s*=\s*{_SLOTS})?",
    re.ASCII,
)
#: Twenty thousand hosts.
_MOST_BYTES = 2**20


@dataclass(frozen=True)
class Host:
    """A machine and how many ranks it takes."""

    name: str
    slots: int


def parse_hosts(text: str, where: str) -> tuple[Host, ...]:
    r"""Return the hosts of a file: lines of ``name``, ``name:4`` or ``name slots=4``; # begins a comment.

    A name that comes again takes so many ranks more, as in the lists of batch systems.

    Raises
    ------
    UsageError
        If a line is none of these, or there is none.

    Examples
    --------
    >>> [(host.name, host.slots) for host in parse_hosts("n1:4\nn2 slots=2  # old\nn1\n", "hosts")]
    [('n1', 5), ('n2', 2)]
    """
    slots: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        content = line.partition("#")[0].strip()
        if not content:
            continue
        found = _LINE.fullmatch(content)
        if not found:
            raise UsageError(
                f"{where}, line {number}: {literal(content)} is no host; write name, name:4 or name slots=4"
            )
        slots[found["name"]] = slots.get(found["name"], 0) + int(found["slots"] or 1)
    if not slots:
        raise UsageError(f"{where}: names no host; write one a line: name, name:4 or name slots=4")
    return tuple(Host(name, count) for name, count in slots.items())


def read_hosts(path: Path) -> tuple[Host, ...]:
    """Return the hosts of a file; see `parse_hosts`.

    Raises
    ------
    MissingInputError
        If it cannot be read.
    UsageError
        If it is no list of hosts.
    """
    try:
        text = read_small(path, _MOST_BYTES, "hostfile").decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{path}: is no text, so no hostfile; write one host a line") from None
    return parse_hosts(text, str(path))


def ranks_on(hosts: Sequence[Host], wanted: int | None) -> int:
    """Return how many ranks to start: those wanted, or one for each slot.

    Raises
    ------
    UsageError
        If there are not so many slots, or more than any run has work for.
    """
    room = sum(host.slots for host in hosts)
    if wanted and wanted > room:
        raise UsageError(f"-n {wanted} is more than the {room} slots of the hostfile; fewer ranks, or more slots")
    if (wanted or room) > MOST_MICRO_BATCHES:
        raise UsageError(f"{wanted or room} ranks, but no run has work for more than {MOST_MICRO_BATCHES}; say -n less")
    return wanted or room


def still_there(hosts: Sequence[Host]) -> tuple[Host, ...]:
    """Return those hosts that ssh reaches; all of them where none answers, or there is no ssh to ask with."""
    ssh = shutil.which("ssh")
    if not ssh:
        return tuple(hosts)
    try:
        asked = [(host, _knock(ssh, host.name)) for host in hosts]
    except OSError:  # no more processes to ask with
        return tuple(hosts)
    found = tuple(host for host, answer in asked if answer is None or _opens(answer))
    return found or tuple(hosts)


def _knock(ssh: str, name: str) -> subprocess.Popen[bytes] | None:
    """Begin to ask a machine whether it is there; this one need not be asked."""
    if name in ("localhost", socket.gethostname()):
        return None
    options = ["-o", "BatchMode=yes", "-o", f"ConnectTimeout={_PATIENCE_S}"]
    quiet = subprocess.DEVNULL
    return subprocess.Popen([ssh, *options, name, "true"], stdin=quiet, stdout=quiet, stderr=quiet)


def _opens(answer: subprocess.Popen[bytes]) -> bool:
    try:
        return answer.wait(timeout=2 * _PATIENCE_S) == 0
    except subprocess.TimeoutExpired:
        answer.kill()
        answer.wait()
        return False
