"""The directory of a study, which is one job's own from before anything is written into it until its last file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ddp_mlp.comm import Communicator, agreed
from ddp_mlp.durable import Check
from ddp_mlp.errors import OutputError, UsageError
from ddp_mlp.run.files.directory import RunDirectory
from ddp_mlp.run.files.lock import RunLock


def refuse_other_runs(directory: Path) -> None:
    """Raise UsageError if the directory of a study that begins holds runs already."""
    if holds_runs(directory):
        raise UsageError(f"{directory} already holds runs; go on with --resume, or choose another --out")


def holds_runs(directory: Path) -> bool:
    """Tell whether runs of a study have begun in a directory."""
    return any(RunDirectory(path).holds_run() for path in [*directory.glob("*-*"), *directory.glob("*-*/fold-*")])


@contextmanager
def held(directory: Path, comm: Communicator, tell: Callable[[str], None], *, resume: bool) -> Iterator[Check]:
    """Collective. Make the directory of a study and hold it; yield the check before a change to one of its files.

    Raises
    ------
    OutputError
        If it cannot be made, or another job holds it.
    UsageError
        If it has come to hold runs, and the study is not to go on with them.
    """
    lock = RunLock(directory, tell)
    try:
        with agreed(comm):
            if comm.rank == 0:
                _make(directory)
                lock.acquire()
                if not resume:
                    refuse_other_runs(directory)
        yield lock.check
    finally:
        lock.release()


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write to the directory of the runs {directory}: {error.strerror}") from None
