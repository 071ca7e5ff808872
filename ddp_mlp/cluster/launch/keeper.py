"""A process beside each ``ddp-mlp launch`` that outlives it, should it be killed, and ends and sweeps up its job.

``python -m ddp_mlp.cluster.launch.keeper SINCE`` waits for the end of its standard input, which its
starter holds open as long as it lives. A starter that ends in order kills its keeper instead.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ddp_mlp.cluster.launch.mpi_leftovers import sweep
from ddp_mlp.cluster.launch.orphans import end_processes
from ddp_mlp.cluster.launch.processes import KEEPER_OF, STARTED_BY, Mark, own_mark, parse_mark


@contextmanager
def kept() -> Iterator[Mark]:
    """Mark all processes that this one starts meanwhile, and have them ended and swept up if it is killed.

    Within another such block nothing is done again.
    """
    mark, before = own_mark(), os.environ.get(STARTED_BY)
    if before == str(mark):
        yield mark
        return
    keeper = _start(mark)
    os.environ[STARTED_BY] = str(mark)
    try:
        yield mark
    finally:
        _dismiss(keeper)
        del os.environ[STARTED_BY]
        if before is not None:
            os.environ[STARTED_BY] = before


def _start(mark: Mark) -> subprocess.Popen[bytes] | None:
    """Start a keeper; where there is no process to be had for it, the job goes on without."""
    with suppress(OSError):
        return subprocess.Popen(
            [sys.executable, "-m", "ddp_mlp.cluster.launch.keeper", str(time.time())],
            env={**os.environ, KEEPER_OF: str(mark)},
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
    return None


def _dismiss(keeper: subprocess.Popen[bytes] | None) -> None:
    if keeper and keeper.stdin:
        keeper.kill()
        keeper.wait()
        keeper.stdin.close()


def main() -> None:
    """Wait for the end of the starter, then end all that it has started, and sweep up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)  # whoever ends all processes of a job leaves the end to this one
    mark = parse_mark(os.environ.get(KEEPER_OF, ""))
    sys.stdin.buffer.read()
    if mark:
        end_processes(mark)
        sweep(float(sys.argv[1]))


if __name__ == "__main__":
    main()
