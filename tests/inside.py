"""The command line within a process that is there already: its words, its exit code, and nothing of it stays."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO


def clean_environment() -> dict[str, str]:
    """Return the environment without traces of a launcher."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("PMI_", "OMPI_", "SLURM_"))}


@contextlib.contextmanager
def set_up_like_a_process(
    arguments: Sequence[str], cwd: Path, environment: Mapping[str, str], out: TextIO, err: TextIO
) -> Iterator[None]:
    """Be a process of this command line, directory, environment and streams; afterwards all is as it was."""
    kept = dict(os.environ)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    before = (sys.argv, sys.stdout, sys.stderr)
    try:
        with contextlib.chdir(cwd):
            os.environ.clear()
            os.environ.update(environment)
            sys.argv, sys.stdout, sys.stderr = ["ddp-mlp", *arguments], out, err
            yield
    finally:
        sys.argv, sys.stdout, sys.stderr = before
        os.environ.clear()
        os.environ.update(kept)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def exit_code(work: Callable[[], object]) -> int:
    """Return the code that a process which does this work, and nothing else, would end with."""
    try:
        work()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0
