"""Processes of this user and the start that each belongs to, by a mark in its environment.

Parents tell little: those that end leave their children to others, and a process that is
stopped keeps its own alive. The environment stays. A mark names one process on one machine,
by its time of start too, so that whether that still lives is known for sure.
"""

from __future__ import annotations

import math
import os
import platform
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

#: Variable that holds the mark of whoever has started a process, and one for the mark of whom it outlives to tidy up.
STARTED_BY, KEEPER_OF = "DDP_MLP_STARTED_BY", "DDP_MLP_KEEPER_OF"
#: Processes that pass on what a launcher says, by name.
LAUNCHERS = ("mpiexec", "mpirun", "prterun", "prted", "hydra_pmi_proxy")

_PROC = Path("/proc")
#: Flag of a process that is about to end, PF_EXITING.
_EXITING = 4
#: Number of the name space of processes that sees all processes of a machine.
_OF_THE_MACHINE = 0xEFFFFFFC


@dataclass(frozen=True)
class Mark:
    """The process that started a job.

    Attributes
    ----------
    place : str
        Machine, its start, and name space of processes, outside of which `process` means nothing.
    process : int
    since : int
        When it was started, in ticks since the start of the machine.
    """

    place: str
    process: int
    since: int

    def __str__(self) -> str:
        return f"{self.place}/{self.process}/{self.since}"

    @property
    def is_here(self) -> bool:
        """Whether this process sees the one that is named, or would if it lived."""
        return self.place == _place()

    @property
    def is_alive(self) -> bool:
        """Whether the process that is named lives; for one that is here."""
        return started_at(self.process) == self.since


def own_mark() -> Mark:
    """Return the mark of this process."""
    return Mark(_place(), os.getpid(), started_at(os.getpid()))


def parse_mark(text: str) -> Mark | None:
    """Return the mark that a text is, None for another text.

    Examples
    --------
    >>> parse_mark("vm-1b2c-4026531836/17/4711")
    Mark(place='vm-1b2c-4026531836', process=17, since=4711)
    >>> parse_mark("me")
    """
    found = re.fullmatch(r"([^/]+)/([0-9]{1,9})/([0-9]{1,18})", text)
    return Mark(found[1], int(found[2]), int(found[3])) if found else None


def _place() -> str:
    boot = ""
    with suppress(OSError):
        boot = (_PROC / "sys/kernel/random/boot_id").read_text()[:8]
    return f"{platform.node().replace('/', '_')}-{boot}-{_name_space()}"


def _name_space() -> int:
    with suppress(OSError):
        return (_PROC / "self/ns/pid").stat().st_ino
    return 0


def sees_all_processes() -> bool:
    """Tell whether this process sees all others of the machine, as one in a container does not."""
    return _name_space() == _OF_THE_MACHINE


def _fields(process: int) -> list[str]:
    """Return the fields of a process that follow its name: state, parent, ...; empty for one that is gone."""
    with suppress(OSError):
        return (_PROC / str(process) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    return []


def own_processes() -> Iterator[int]:
    """Yield the processes of this user, other ones than this."""
    with suppress(OSError), os.scandir(_PROC) as entries:
        for entry in entries:
            with suppress(OSError):  # it has ended meanwhile
                if entry.name.isdecimal() and entry.stat().st_uid == os.geteuid() and int(entry.name) != os.getpid():
                    yield int(entry.name)


def with_marks(variable: str) -> Iterator[tuple[int, Mark]]:
    """Yield the processes of this user that live and have a mark in a variable, other ones than this."""
    start = f"{variable}=".encode()
    for process in own_processes():
        with suppress(OSError):
            for pair in (_PROC / str(process) / "environ").read_bytes().split(b"\0"):
                if pair.startswith(start) and (mark := parse_mark(pair[len(start) :].decode(errors="replace"))):
                    yield process, mark


def marked(mark: Mark) -> set[int]:
    """Return the living processes that were started under this mark, other ones than this."""
    return {process for process, other in with_marks(STARTED_BY) if other == mark}


def left_by_the_dead() -> set[int]:
    """Return the living processes here whose starter is gone; a keeper that is not stopped ends by itself."""
    left = {process for process, mark in with_marks(STARTED_BY) if mark.is_here and not mark.is_alive}
    keepers = {process for process, mark in with_marks(KEEPER_OF) if mark.is_here and not mark.is_alive}
    return left | set(filter(is_stopped, keepers))


def started_at(process: int) -> int:
    """Return when a process was started, in ticks since the start of the machine; -1 for one that ends or has ended."""
    fields = _fields(process)
    is_there = len(fields) > 19 and fields[0] not in "ZX" and not int(fields[6]) & _EXITING
    return int(fields[19]) if is_there else -1


def age_s(process: int) -> float:
    """Return the seconds since a process was started; infinite for one that has ended."""
    ticks = started_at(process)
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK") if ticks >= 0 else math.inf


def is_stopped(process: int) -> bool:
    """Tell whether a process is stopped by a signal."""
    return _fields(process)[:1] == ["T"]


def has_dead_child(process: int) -> bool:
    """Tell whether a child of a process has ended, and the process has not heard of it yet."""
    return any(fields[:2] == ["Z", str(process)] for fields in map(_fields, own_processes()))


def ranks_hear(mark: Mark, number: int) -> bool:
    """Tell whether there are ranks of this mark, and a signal ends none of them: each holds, ignores or handles it.

    True where that cannot be known.
    """
    if not (_PROC / "self").exists():
        return True
    ranks = [process for process in marked(mark) if not is_launcher(process)]
    return bool(ranks) and all(_hears(rank, number) for rank in ranks)


def _hears(process: int, number: int) -> bool:
    with suppress(OSError):
        sets = re.findall(r"^Sig(?:Blk|Ign|Cgt):\s*([0-9a-f]+)$", (_PROC / str(process) / "status").read_text(), re.M)
        return any(int(digits, 16) >> (number - 1) & 1 for digits in sets)
    return False


def is_launcher(process: int) -> bool:
    """Tell whether a process is one of a launcher, and no rank."""
    with suppress(OSError):
        return (_PROC / str(process) / "comm").read_text(errors="replace").strip().startswith(LAUNCHERS)
    return False
