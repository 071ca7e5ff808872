"""Run directories from strangers: whatever stands at each name, in front of each command that reads or writes one.

Each command runs in a child of a warm process, with little more memory than that has, a deadline,
and without the right to read what permissions forbid. What lies outside is compared before and
after, times of access included.
"""

from __future__ import annotations

import ctypes
import io
import os
import random
import resource
import shutil
import stat
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.faults.forks import Child, in_child
from tests.faults.strange_runs import COMMANDS, Command, Put, put_something
from tests.faults.table import Row

_MEMORY_BYTES = 512 * 2**20
_DEADLINE_S = 10.0
#: Exit codes of the user's mistakes, of success, and of a comparison that found a difference.
_CODES = {0, 1, 2, 65, 66, 73, 74, 78}
#: Capabilities of root that permissions do not hold for: to give away, to read and write, to search, to own.
_PRIVILEGES = 0b1111
_CONFIG = """
[data]
train = "data.h5"
[model]
hidden = [4]
[train]
epochs = {epochs}
early_stopping_patience = 0
global_batch_size = 16
micro_batches = 2
"""


@dataclass(frozen=True)
class Place:
    """A folder with a good run, a configuration, data, and ``outside``, which nobody may touch."""

    path: Path
    base_bytes: int

    @property
    def run(self) -> Path:
        """The run directory of the case."""
        return self.path / "run"

    @property
    def outside(self) -> Path:
        """What links lead to."""
        return self.path / "outside"


@contextmanager
def place() -> Iterator[Place]:
    """Provide a place, and warm up this process: children start with all modules and kernels loaded."""
    from ddp_mlp.comm import SingleProcess
    from ddp_mlp.config import load_config
    from ddp_mlp.data.importing import make_dataset
    from ddp_mlp.engine.compilation import ready_kernels
    from ddp_mlp.run.files import lock as run_lock
    from ddp_mlp.run.run import Run, RunOptions

    run_lock.BEAT_S, run_lock.PATIENCE_S = (
        0.1,
        0.5,
    )  # for owners on other nodes; the real ones are told to be waited for
    ready_kernels("float32", SingleProcess(), lambda _: None)
    with tempfile.TemporaryDirectory(prefix="ddp-mlp-faults-") as name:
        folder = Path(name)
        make_dataset("moons", folder / "data.h5", samples=60)
        for config, epochs in (("c.toml", 2), ("longer.toml", 3)):
            (folder / config).write_text(_CONFIG.format(epochs=epochs))
        options = RunOptions(folder / "good")
        Run(load_config(folder / "c.toml", [], {}), options, SingleProcess(), lambda _: None).execute(lambda _: None)
        (folder / "outside").mkdir()
        shutil.copytree(folder / "good", folder / "outside" / "victim")
        (folder / "outside" / "target").write_bytes(b"of somebody else\n")
        found = Place(folder, 4096 * int(Path("/proc/self/statm").read_text().split()[0]))
        for command in COMMANDS:  # once in vain, so that what they import is there
            _make_run(found, command)
            in_child(partial(_execute, found, command.words), deadline_s=120)
        yield found


def _clear(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, onerror=_make_removable)
    path.unlink(missing_ok=True)


def _make_run(where: Place, command: Command) -> None:
    _clear(where.run)
    if command.is_fresh:
        (where.run / "checkpoints").mkdir(parents=True)
    else:
        shutil.copytree(where.path / "good", where.run)


def _make_removable(remove: Callable[[str], None], path: str, _: object) -> None:
    if Path(path).is_dir() and not Path(path).is_symlink():
        Path(path).chmod(0o700)
        shutil.rmtree(path)


def look(where: Place, *, may_be_read: bool) -> dict[str, tuple[int, ...]]:
    """Return what writing anywhere beside the run would change; unless that may be, reading and linking too."""
    found = {}
    for path in where.path.rglob("*"):
        if where.run not in (path, *path.parents) and path.name != "said":
            s = path.lstat()
            is_watched = where.outside in path.parents and not stat.S_ISDIR(s.st_mode) and not may_be_read
            facts = (s.st_ino, s.st_mode, s.st_uid, s.st_size, s.st_mtime_ns)
            found[str(path.relative_to(where.path))] = (
                *facts,
                *(s.st_nlink, s.st_ctime_ns, s.st_atime_ns) * is_watched,
            )
    return found


def _make_reading_seen(folder: Path) -> None:
    """Set times of access back, since file systems note a reading only where the last is older than the content."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            os.utime(path, (path.stat().st_mtime - 1000, path.stat().st_mtime))


def _drop_privileges() -> None:
    """Let permissions hold for this process, if it is root's."""
    libc = ctypes.CDLL(None)
    header, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    libc.capget(header, sets)
    sets[0] &= ~_PRIVILEGES
    if libc.capset(header, sets) != 0:
        raise OSError("cannot drop capabilities")


def _execute(where: Place, words: str, writer: int) -> int:
    """Run a command as `ddp-mlp` would; standard error goes to a descriptor."""
    from ddp_mlp.cli.main import run

    os.chdir(where.path)
    for name in [name for name in os.environ if name.startswith(("PMI_", "OMPI_", "SLURM_"))]:
        del os.environ[name]
    os.environ["DDP_MLP_PROGRESS"] = "none"
    os.dup2(writer, 2)
    os.dup2(os.open(where.path / "said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666), 1)
    sys.stdout, sys.stderr = (
        io.TextIOWrapper(io.FileIO(1, "w", closefd=False)),
        io.TextIOWrapper(io.FileIO(2, "w", closefd=False)),
    )
    sys.argv = ["ddp-mlp", *words.replace("RUN", "run").split()]
    try:
        run()
    except SystemExit as ended:
        sys.stdout.flush()
        return int(ended.code or 0)
    raise AssertionError("the command came back")


def _limited(where: Place, words: str, writer: int) -> int:
    most = where.base_bytes + _MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**41, 2**41))
    _drop_privileges()
    return _execute(where, words, writer)


def _complaints(where: Place, child: Child) -> Iterator[str]:
    """Yield what is wrong with how a command ended."""
    errors = [line for line in child.said.splitlines() if line.startswith("error")]
    if child.timed_out:
        yield f"still at it after {_DEADLINE_S:g} s"
    elif child.code not in _CODES or "Traceback" in child.said:
        yield f"exit code {child.code}: {child.said[-1500:]}"
    elif len(errors) != (child.code > 1) and not (child.code == 65 and not child.said):  # `verify` says it in its table
        yield f"exit code {child.code}, but {len(errors)} lines of errors: {child.said[-1500:]!r}"
    said = (where.path / "said").read_text(errors="replace") + child.said
    if not said.replace("\n", "").isprintable():
        yield f"control characters: {said[:300]!r}"


def _complain(row: Row, case: str, complaints: Iterable[str]) -> None:
    row.failures += [f"{case}: {complaint}" for complaint in complaints]


def hostile_directories(n: int, seed: int = 0) -> Row:
    """Run a command `n` times, each in front of a directory with something hostile at one name or several."""
    row, codes, slowest = Row("hostile run directories"), Counter[int](), 0.0
    with place() as where:
        for i in range(n):
            rng, command = random.Random(f"{seed} {i}"), COMMANDS[i % len(COMMANDS)]  # noqa: S311 - faults, not secrets
            put = _make_hostile(where, command, rng)
            case = f"number {i}: {command.words}; {', '.join(f'{p.path.name}: {p.kind}' for p in put)}"
            # A second name is the file itself, and where a user names a link, it is followed.
            may_be_read = any(p.kind == "hard link" or p.path == where.run for p in put) or "RUN/" in command.words
            before, started = look(where, may_be_read=may_be_read), time.monotonic()
            child = in_child(partial(_limited, where, command.words), deadline_s=_DEADLINE_S)
            slowest = max(slowest, time.monotonic() - started)
            after = look(where, may_be_read=may_be_read)
            row.trials += 1
            codes[child.code] += 1
            _complain(row, case, _complaints(where, child))
            touched = [name for name in before | after if before.get(name) != after.get(name)]
            row.check(good=not touched, otherwise=f"{case}: outside of it changed or read: {touched}")
            _complain(row, case, (f"{p.path.name} was not left as it was" for p in put if not p.is_as_it_was()))
        _clear(where.run)
    ended = ", ".join(f"{count} x {code}" for code, count in sorted(codes.items()))
    row.note = f"seed {seed}; ended with {ended}; the slowest took {slowest:.1f} s"
    return row


def _make_hostile(where: Place, command: Command, rng: random.Random) -> list[Put]:
    """Make the run of a case: a good one or none yet, with something strange at some of its names."""
    _make_run(where, command)
    names = rng.sample(command.names, min(len(command.names), rng.choice((1, 1, 2, 4))))
    if rng.random() < 0.05:
        names = ["."]
    put: list[Put] = []
    for name in sorted(names):  # what lies in a directory comes after the directory, and only where that is one
        path = where.run if name == "." else where.run / name
        if name.startswith("0/") and not os.path.lexists(path.parent):
            path.parent.mkdir()
        if stat.S_ISDIR(path.parent.lstat().st_mode):
            put.append(put_something(path, where.outside / "target", rng))
    _make_reading_seen(where.outside)
    return put
