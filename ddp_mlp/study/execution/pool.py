"""Processes for the trials of studies, which start while a study is planned; so this imports little."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ddp_mlp.comm.launcher import without_rank
from ddp_mlp.comm.liveness.lifeline import bound_to_this_process
from ddp_mlp.study.execution.socket_line import Message, SocketLine

if TYPE_CHECKING:
    from ddp_mlp.study.study import Study

#: Seconds that a process has for its end.
_END_S = 10.0


@dataclass
class Worker:
    """A process that runs trials, and the line to it."""

    process: subprocess.Popen[bytes]
    line: SocketLine
    n_starts: int
    is_ready: bool = False


class Processes:
    """Processes that run trials, of one study after the other; they start while the first one is planned.

    Parameters
    ----------
    config : Path
    overrides : sequence of str
        Assignments on top of it for all trials.
    n : int
        How many there are.
    """

    def __init__(self, config: Path, overrides: Sequence[str], n: int) -> None:
        self._first: Message = {"config": str(config), "overrides": list(overrides)}
        self.workers: dict[int, Worker] = {}
        self._n, self._has_begun = n, False

    def __enter__(self) -> Self:
        for group in range(self._n):
            self.start(group)
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers.values():
            worker.line.send({"kind": "end"})
            worker.line.socket.close()
            if not self._has_begun:
                worker.process.kill()
        for worker in self.workers.values():
            try:
                worker.process.wait(_END_S)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()

    def begin(self, study: Study) -> None:
        """Let them run trials of a study, each until it hears that there are no more; one that has gone is replaced."""
        self._has_begun = True
        for group in range(self._n):
            if group not in self.workers:
                self.start(group)
            self.workers[group].line.send(told(study))

    def start(self, group: int, n_starts: int = 1) -> None:
        """Start the process of a group."""
        here, there = socket.socketpair()
        environment = {**without_rank(os.environ), "OPENBLAS_NUM_THREADS": "1"}
        with there:
            process = subprocess.Popen(
                [sys.executable, "-m", "ddp_mlp.study.execution.process", str(there.fileno())],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[there.fileno()],
                preexec_fn=bound_to_this_process(),
            )
        self.workers[group] = Worker(process, SocketLine(here), n_starts)
        self.workers[group].line.send(self._first)


def told(study: Study) -> Message:
    """Return all that a process has to know of the study."""
    configure, options = study.configure, study.options
    return {
        "kind": "study",
        "config": str(configure.config),
        "overrides": list(configure.overrides),
        "directory": str(options.directory),
        "options": {"resume": options.resume, "threads": options.threads, "until_epoch": options.until_epoch},
        "folds": study.folds,
        "metric": study.metric,
    }
