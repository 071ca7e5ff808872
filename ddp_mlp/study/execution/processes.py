"""A study of a process alone: it is at the desk, and other processes that it starts run the trials."""

from __future__ import annotations

import os
import selectors
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ddp_mlp.comm.launcher import without_rank
from ddp_mlp.comm.lifeline import bound_to_this_process
from ddp_mlp.errors import DdpMlpError
from ddp_mlp.run.files.directory import RunDirectory
from ddp_mlp.run.signals import StopSignals
from ddp_mlp.study.execution.desk import Desk, Message
from ddp_mlp.study.execution.socket_line import SocketLine
from ddp_mlp.study.study import Study

#: Seconds between looks at what no message tells of.
_LOOK_EVERY_S = 0.05
#: Seconds that a process has for its end.
_END_S = 10.0
#: Starts of a process in a row that end before it is ready, which is no accident any more.
MOST_STARTS = 3


@dataclass
class _Worker:
    """A process that runs trials, and the line to it."""

    process: subprocess.Popen[bytes]
    line: SocketLine
    n_starts: int
    is_ready: bool = False


def run_in_processes(study: Study, desk: Desk, n_processes: int, look: Callable[[Desk], None]) -> None:
    """Run a study to its end in so many processes; the desk, which `look` often sees, knows what it came to."""
    asked: list[str] = []
    workers: dict[int, _Worker] = {}
    with StopSignals(asked.append), selectors.DefaultSelector() as selector:
        try:
            for group in range(n_processes):
                _start(study, group, workers, selector)
            while not desk.is_over:
                for group in [key.data for key, _ in selector.select(_LOOK_EVERY_S)]:
                    _hear(study, desk, group, workers, selector)
                for by in asked:
                    desk.stop(by)
                for group in desk.hung():
                    _end_hung(desk, group, workers)
                for group, order in desk.orders():
                    workers[group].line.send(order)
                look(desk)
        finally:
            _end_all(workers)


def _start(
    study: Study, group: int, workers: dict[int, _Worker], selector: selectors.BaseSelector, n_starts: int = 1
) -> None:
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
    workers[group] = _Worker(process, SocketLine(here), n_starts)
    selector.register(here, selectors.EVENT_READ, group)
    workers[group].line.send(_told(study))


def _told(study: Study) -> Message:
    """Return all that a process has to know of the study."""
    configure, options = study.configure, study.options
    return {
        "config": str(configure.config),
        "overrides": list(configure.overrides),
        "directory": str(options.directory),
        "options": {"resume": options.resume, "threads": options.threads, "until_epoch": options.until_epoch},
        "folds": study.folds,
        "metric": study.metric,
    }


def _hear(study: Study, desk: Desk, group: int, workers: dict[int, _Worker], selector: selectors.BaseSelector) -> None:
    """Take the messages of a process; in place of one that has ended start another, if there is work."""
    worker = workers[group]
    while message := worker.line.receive():
        worker.is_ready = True
        desk.hear(group, message)
    if not worker.line.is_closed:
        return
    selector.unregister(worker.line.socket)
    worker.line.socket.close()
    code = worker.process.wait()
    how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
    del workers[group]
    desk.lose(group, how)
    if not worker.is_ready and (tries := worker.n_starts) >= MOST_STARTS:
        desk.fail(DdpMlpError(f"a process for trials ended before it was ready, {tries} times ({how})"))
    elif not desk.is_over and not desk.stopped_by:
        _start(study, group, workers, selector, 1 if worker.is_ready else worker.n_starts + 1)


def _end_hung(desk: Desk, group: int, workers: dict[int, _Worker]) -> None:
    """Kill the process whose trial hangs, and let the run directory tell."""
    workers[group].process.kill()
    workers[group].process.wait()
    summary = desk.give_up(group)
    RunDirectory(Path(summary["run_dir"])).note_failure(summary["exit_code"], summary["reason"], within_s=1)


def _end_all(workers: dict[int, _Worker]) -> None:
    """Let all processes go, and kill those that do not."""
    for worker in workers.values():
        worker.line.send({"kind": "end"})
    for worker in workers.values():
        try:
            worker.process.wait(_END_S)
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()
        worker.line.socket.close()
