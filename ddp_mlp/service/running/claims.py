"""The files by which a start of a job is recognised, whatever was killed in between.

A start is written down in the store under a token before a process is made. That process claims the
token by a file that can come into being once only, and writes another one at its end. Whoever finds
no claim after a crash takes the token back by the same file: then no process can claim it any more,
be it one that is still being started. So each token stands for one start at most.
"""

from __future__ import annotations

import os
import socket
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from ddp_mlp.durable import remove, sync_directory, write_whole
from ddp_mlp.plain_files import read_json
from ddp_mlp.run.files.lives import boot_id, life_of, start_of


@dataclass(frozen=True)
class Claim:
    """The process that has taken a start; pid 0 where it was taken back.

    Attributes
    ----------
    pid, started : int
        Process id, and when it started in ticks since boot: ids are used again.
    boot : str
        Id of that start of the machine's kernel.
    """

    pid: int
    started: int
    boot: str
    host: str

    @property
    def is_revoked(self) -> bool:
        """Whether no process has this start, and none can."""
        return self.pid == 0


def is_alive(claim: Claim) -> bool:
    """Tell whether the process of a claim is one of this machine, and has not ended."""
    life = life_of(claim.pid)
    is_here = claim.host == socket.gethostname() and claim.boot == boot_id()
    return is_here and life is not None and life[0] not in "ZX" and life[1] == claim.started


def take(folder: Path, token: str) -> bool:
    """Claim a start for this process; return whether it was to be had."""
    return put(folder, token, Claim(os.getpid(), start_of(os.getpid()) or 0, boot_id(), socket.gethostname()))


def revoke(folder: Path, token: str) -> bool:
    """Take a start back that no process has claimed; return whether that was so."""
    return put(folder, token, Claim(0, 0, boot_id(), socket.gethostname()))


def read_claim(folder: Path, token: str) -> Claim | None:
    """Return who has claimed a start; None if nobody has.

    Raises
    ------
    OSError
        If it cannot be read, so that there may be one.
    """
    with suppress(FileNotFoundError):
        return read_json(claim_file(folder, token), Claim)
    return None


def write_end(folder: Path, token: str, code: int) -> None:
    """Keep the exit code of a start."""
    write_whole(folder / f"end-{token}.json", msgspec.json.encode({"exit_code": code}))


def read_end(folder: Path, token: str) -> int | None:
    """Return the exit code of a start; None if it has not come to its end, as far as is known."""
    with suppress(FileNotFoundError):
        found = read_json(folder / f"end-{token}.json", dict[str, int])
        return None if found is None else found.get("exit_code")
    return None


def claim_file(folder: Path, token: str) -> Path:
    """Return the file that claims a start."""
    return folder / f"start-{token}.json"


def put(folder: Path, token: str, claim: Claim) -> bool:
    """Let a claim come into being, whole, and return whether there was none; a link takes no other file's place."""
    draft = folder / f".start.{uuid.uuid4().hex}.tmp"
    write_whole(draft, msgspec.json.encode(asdict(claim)))
    try:
        os.link(draft, claim_file(folder, token))
    except FileExistsError:
        return False
    finally:
        remove(draft)
    sync_directory(folder)
    return True
