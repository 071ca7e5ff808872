"""The process of a job: claims its start, runs it, and writes down how it ended. No server is needed meanwhile.

``python -m ddp_mlp.service.running.job_process FOLDER TOKEN RANKS THREADS RESTARTS ARGUMENT...``
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from ddp_mlp.errors import DdpMlpError, brief, printable
from ddp_mlp.service.running.claims import take, write_end
from ddp_mlp.unforeseen import plain_error

#: They ask a job to stop, and wait here until the launcher listens.
_HELD = (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def tell(line: str) -> None:
    """Print a line for whoever reads the log of the job."""
    sys.stderr.write("".join(f"{printable(part)}\n" for part in brief(line).split("\n")))
    sys.stderr.flush()


def main(arguments: Sequence[str]) -> int:
    """Run a job whose start is still to be had; return its exit code."""
    folder, token = Path(arguments[0]), arguments[1]
    ranks, threads, restarts = map(int, arguments[2:5])
    signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
    if not take(folder, token):
        return 0  # taken back, or somebody else's
    code = _code_of(ranks, threads, restarts, arguments[5:])
    write_end(folder, token, code)
    return code


def _code_of(ranks: int, threads: int, restarts: int, command: Sequence[str]) -> int:
    from ddp_mlp.cluster.launch.launch import launch

    try:
        return launch(ranks, threads, command, tell, restarts if command[0] == "train" else 0)
    except Exception as error:
        plain: DdpMlpError = plain_error(error)
        tell(f"error: {plain}")
        return plain.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
