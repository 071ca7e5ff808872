"""Processes for the trials of studies, which start while a study is planned; so this imports little.

Where it may, this process imports all that trials need, and copies itself: a start costs a second of a processor, which
short trials would feel. Those that replace others, and all where other threads run, start as programs of their own.
"""

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
from ddp_mlp.study.execution.forked import Forked, may_fork
from ddp_mlp.study.execution.socket_line import Message, SocketLine

if TYPE_CHECKING:
    from ddp_mlp.study.study import Study

#: Seconds that a process has for its end.
_END_S = 10.0


@dataclass
class Worker:
    """A process that runs trials, and the line to it."""

    process: subprocess.Popen[bytes] | Forked
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
        may_fork = self._n > 0 and self._is_ready_to_fork()
        for group in range(self._n):
            (self._fork if may_fork else self.start)(group)
        return self

    @staticmethod
    def _is_ready_to_fork() -> bool:
        """Import all that trials need, and tell whether that has left this process with one thread."""
        if not may_fork():
            return False
        from ddp_mlp.study.execution import worker  # noqa: F401 - its children have it then

        return may_fork()

    def _fork(self, group: int) -> None:
        """Start the process of a group as a copy of this one."""
        from ddp_mlp.study.execution.process import serve

        here, there = socket.socketpair()

        def live() -> None:
            for end in (here, *(worker.line.socket for worker in self.workers.values())):
                end.close()  # else nobody would see that this process's parent is gone
            serve(SocketLine(there))

        with there:
            process = Forked(live)
        self._add(group, process, here, 1)

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
        self._add(group, process, here, n_starts)

    def _add(self, group: int, process: subprocess.Popen[bytes] | Forked, here: socket.socket, n_starts: int) -> None:
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
