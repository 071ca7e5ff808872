"""What strangers put into a run directory, and the commands that then meet it."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.hostile import STRANGER, THINGS

#: After each of two epochs of 60 samples.
_STEPS = ("checkpoints/step-00000004.h5", "checkpoints/step-00000008.h5")
_FILES = ("config.toml", "status.json", "log.txt", "metrics.csv", "hashes.csv", "model.h5", ".lock")
_GROWING = ("log.txt", "metrics.csv", "hashes.csv", ".lock")  # the others are replaced, and other names of theirs kept
_LEFTOVERS = (f".status.json.{'a' * 32}.tmp", f".now-{'b' * 32}", ".writable-1", f"checkpoints/.step.{'c' * 32}.tmp")


@dataclass(frozen=True)
class Command:
    """A command line, with RUN where the directory goes, and the names that matter to it."""

    words: str
    names: tuple[str, ...]
    is_fresh: bool = False


COMMANDS = (
    Command("train c.toml --out RUN", (*_FILES, *_STEPS, *_LEFTOVERS, "checkpoints"), is_fresh=True),
    Command("train c.toml --out RUN --resume", (*_FILES, *_STEPS, *_LEFTOVERS, "checkpoints")),
    Command("train longer.toml --out RUN --resume", (*_FILES, *_STEPS, *_LEFTOVERS, "checkpoints")),
    Command("compare RUN good", ("hashes.csv", "model.h5", *_STEPS, "checkpoints")),
    Command("compare good RUN --json", ("hashes.csv", "model.h5", *_STEPS, "checkpoints")),
    Command("checkpoint list RUN", (*_STEPS, "checkpoints")),
    Command("checkpoint show RUN --json", (*_STEPS, "checkpoints")),
    Command("checkpoint verify RUN", (*_STEPS, "checkpoints")),
    Command("evaluate RUN data.h5", ("model.h5",)),
    Command("evaluate RUN/model.h5 data.h5 --json", ("model.h5",)),
    Command("slurm status RUN", ("status.json", "slurm.json", "0", "0/status.json", "0/slurm.json", "1")),
)


def _long_number(_: random.Random, __: bytes) -> bytes:
    return b'{"state": "running", "step": %b, "pid": %b, "job_id": "%b"}' % ((b"9" * 5000,) * 3)


def _nested(_: random.Random, __: bytes) -> bytes:
    return b'{"state": ' + b"[" * 5000 + b"]" * 5000 + b"}"


def _odd_json(rng: random.Random, _: bytes) -> bytes:
    odd: list[object] = [None, [], 7, "x\x1b[2J\n", {"state": ["a"], "step": "x", "slurm_job_id": "-1; --help\0"}]
    odd += [{"state": "\x1b[31m\n\nerror: no", "epoch": 2**64 - 1, "step": -5}, {"job_id": "--version"}]
    odd += [{"token": "x", "job": "\n" * 50, "restarts": "", "host": "h" * 9999, "boot": "", "pid": -1, "started": 0,
             "since_utc": "\x1b[2J"}]  # fmt: skip
    return json.dumps(rng.choice(odd)).encode()


def _odd_table(rng: random.Random, content: bytes) -> bytes:
    lines = content.splitlines(keepends=True) or [b"epoch,step\n"]
    odd = [
        b"\xff\xfe\x00,\n",
        b"1," * 10_000 + b"\n",
        b'"' + b"x" * 200_000 + b'"\n',
        "²,³\n".encode(),
        b"\n\n",
        b"1,2\n",
    ]
    at = rng.randrange(len(lines) + 1)
    return b"".join([*lines[:at], rng.choice(odd), *lines[at:]])


#: Content of plain files, from what was there before.
CONTENTS: dict[str, Callable[[random.Random, bytes], bytes]] = {
    "nothing": lambda _, __: b"",
    "junk": lambda rng, _: rng.randbytes(rng.choice((1, 100, 5000, 10**6))),
    "zeros": lambda _, __: bytes(10**6),
    "cut short": lambda rng, content: content[: rng.randrange(len(content) + 1)],
    "a bit": lambda rng, content: _flipped(rng, content),
    "twice": lambda _, content: content * 2,
    "a line without end": lambda _, __: b"x" * (3 * 2**20),
    "numbers of 5000 digits": _long_number,
    "5000 brackets": _nested,
    "other JSON": _odd_json,
    "another table": _odd_table,
}


def _flipped(rng: random.Random, content: bytes) -> bytes:
    image = bytearray(content or b"x")
    image[rng.randrange(len(image))] ^= 1 << rng.randrange(8)
    return bytes(image)


def _hollow(path: Path, content: bytes) -> None:
    """Make a file of a terabyte that takes no room, with its old beginning or without."""
    path.write_bytes(content)
    os.truncate(path, 2**40)


def _unreadable(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0)


def _link_outside(path: Path, target: Path) -> None:
    """Link to what a command would like to find there; to a directory so that it is not its maker's own."""
    victim = target.parent / "victim"
    inside = next((p for p in (victim / path.parent.name / path.name, victim / path.name) if p.exists()), victim)
    path.symlink_to(inside)
    if inside.is_dir():
        os.chown(path, STRANGER, STRANGER, follow_symlinks=False)


def _link_to_device(path: Path, _: Path) -> None:
    path.symlink_to("/dev/zero")


#: What is no plain file of this user, and must be left as it is.
OTHERS = {**THINGS, "link to a device": _link_to_device}
if os.geteuid() == 0:
    OTHERS["link to a run outside"] = _link_outside


@dataclass(frozen=True)
class Put:
    """Something that was put at a name of a run: of which kind, and how it looked."""

    path: Path
    kind: str
    status: os.stat_result

    def is_as_it_was(self) -> bool:
        """Tell whether it is there unchanged, or need not be."""
        if self.kind not in OTHERS or (self.kind == "hard link" and self.path.name not in _GROWING):
            return True
        if not os.path.lexists(self.path):
            return False
        now, was = self.path.lstat(), self.status
        if self.path.is_dir() and not self.path.is_symlink():  # in which something else was put
            return (now.st_ino, now.st_mode) == (was.st_ino, was.st_mode)
        return (now.st_ino, now.st_mode, now.st_size, now.st_mtime_ns) == (
            was.st_ino, was.st_mode, was.st_size, was.st_mtime_ns,
        )  # fmt: skip


def put_something(path: Path, target: Path, rng: random.Random) -> Put:
    """Put something strange at a name; what leads elsewhere leads to `target` or what lies beside it."""
    content = path.read_bytes() if path.is_file() else b""
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    kind = rng.choice((*OTHERS, *CONTENTS, "a terabyte", "unreadable", "shut"))
    if kind in OTHERS:
        OTHERS[kind](path, target)
    elif kind in CONTENTS:
        path.write_bytes(CONTENTS[kind](rng, content))
    elif kind == "shut":
        path.mkdir(mode=0)
    else:
        (_hollow if kind == "a terabyte" else _unreadable)(path, content)
    return Put(path, kind, path.lstat())
