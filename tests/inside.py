"""The command line within a process that is there already: its words, its exit code, and nothing of it stays."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, chdir, contextmanager
from pathlib import Path


def clean_environment() -> dict[str, str]:
    """Return the environment without traces of a launcher."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("PMI_", "OMPI_", "SLURM_"))}


@contextmanager
def set_up_like_a_process(
    arguments: Sequence[str], cwd: Path, environment: Mapping[str, str], out: Path, err: Path
) -> Iterator[None]:
    """Be a process of this command line, directory and environment, that writes to files, for a while."""
    kept, argv = dict(os.environ), sys.argv
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        with ExitStack() as stack:
            stack.enter_context(chdir(cwd))
            stack.enter_context(_writing_to(1, "stdout", out))
            stack.enter_context(_writing_to(2, "stderr", err))
            os.environ.clear()
            os.environ.update(environment)
            sys.argv = ["ddp-mlp", *arguments]
            yield
    finally:
        sys.argv = argv
        os.environ.clear()
        os.environ.update(kept)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@contextmanager
def _writing_to(descriptor: int, name: str, path: Path) -> Iterator[None]:
    """Let a descriptor, and the stream upon it, write to a file."""
    before, kept = getattr(sys, name), os.dup(descriptor)
    before.flush()
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
    os.dup2(file, descriptor)
    os.close(file)
    stream = open(descriptor, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - whatever takes its place is flushed
    setattr(sys, name, stream)
    try:
        yield
    finally:
        getattr(sys, name).flush()
        stream.flush()
        setattr(sys, name, before)
        os.dup2(kept, descriptor)
        os.close(kept)


def exit_code(work: Callable[[], object]) -> int:
    """Return the code that a process which does this work, and nothing else, would end with."""
    try:
        work()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0
