"""How the newest start of a job stands, told by files and processes alone."""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from ddp_mlp.plain_files import read_json
from ddp_mlp.run.files.lives import boot_id, life_of
from ddp_mlp.run.files.lock_owner import read_owner
from ddp_mlp.service.running.claims import Claim, claim_file, is_alive, read_claim, read_end

#: Words of ``status.json`` for runs that have come to their end.
_FINISHED = ("finished", "early-stopped", "target-reached")


class Phase(Enum):
    """Where a start is between being written down and its end."""

    UNCLAIMED = "no process has it yet"
    RUNNING = "its process lives"
    ENDING = "its process is gone, and some of its ranks are not yet"
    ENDED = "its exit code is known"
    DIED = "its process is gone without a word"
    REVOKED = "taken back"


@dataclass(frozen=True)
class Standing:
    """How a start stands.

    Attributes
    ----------
    code : int or None
        Exit code of one that has ended.
    rebooted : bool
        Whether the machine was started anew since.
    """

    phase: Phase
    claim: Claim | None = None
    code: int | None = None
    rebooted: bool = False


def standing_of(folder: Path, token: str, run_dir: Path) -> Standing:
    """Return how a start stands.

    Raises
    ------
    OSError
        If files that tell cannot be read.
    """
    claim = read_claim(folder, token)
    if claim is None:
        return Standing(Phase.UNCLAIMED)
    if claim.is_revoked:
        return Standing(Phase.REVOKED, claim)
    rebooted = claim.boot != boot_id()
    if (code := read_end(folder, token)) is not None:
        return Standing(Phase.ENDED, claim, code, rebooted)
    if is_alive(claim):
        return Standing(Phase.RUNNING, claim)
    if (code := read_end(folder, token)) is not None:  # written between the two looks
        return Standing(Phase.ENDED, claim, code, rebooted)
    if _is_held(run_dir):
        return Standing(Phase.ENDING, claim)
    told = read_status(run_dir) if _is_newer(run_dir / "status.json", claim_file(folder, token)) else {}
    return Standing(Phase.DIED, claim, code_of_status(told), rebooted)


def read_status(run_dir: Path) -> dict[str, Any]:
    """Return the values of ``status.json``; empty where there are none that can be read."""
    with suppress(OSError):
        return read_json(run_dir / "status.json", dict[str, Any]) or {}
    return {}


def code_of_status(status: dict[str, Any]) -> int | None:
    """Return the exit code of a run that has told of its end; None for one that has not."""
    state, code = status.get("state"), status.get("exit_code")
    if state in _FINISHED:
        return 0
    if state == "stopped":
        return 75
    return code if state == "failed" and isinstance(code, int) else None


def _is_newer(path: Path, than: Path) -> bool:
    """Tell whether a file was written after another one, and not by an earlier start."""
    with suppress(OSError):
        return path.lstat().st_mtime_ns >= than.lstat().st_mtime_ns
    return False


def _is_held(run_dir: Path) -> bool:
    """Tell whether a process of this machine still holds the run directory."""
    with suppress(OSError):
        owner = read_owner(run_dir / ".lock")
        if owner and owner.host == socket.gethostname() and owner.boot == boot_id():
            life = life_of(owner.pid)
            return life is not None and life[0] not in "ZX" and life[1] == owner.started
    return False
