"""A study of a process alone: it is at the desk, and other processes that it starts run the trials."""

from __future__ import annotations

import selectors
from collections.abc import Callable

from ddp_mlp.errors import DdpMlpError
from ddp_mlp.run.signals import StopSignals
from ddp_mlp.study.execution.desk import Desk
from ddp_mlp.study.execution.pool import Processes, Worker, told
from ddp_mlp.study.study import Study

#: Seconds between looks at what no message tells of.
_LOOK_EVERY_S = 0.05
#: Starts of a process in a row that end before it is ready, which is no accident any more.
MOST_STARTS = 3


def run_in_processes(study: Study, desk: Desk, processes: Processes, look: Callable[[Desk], None]) -> None:
    """Run a study to its end; the desk, which `look` often sees, knows what it came to."""
    asked: list[str] = []
    workers = processes.workers
    with StopSignals(asked.append), selectors.DefaultSelector() as selector:
        processes.begin(study)
        for group, worker in workers.items():
            selector.register(worker.line.socket, selectors.EVENT_READ, group)
        while not desk.is_over:
            for group in [key.data for key, _ in selector.select(_LOOK_EVERY_S)]:
                _hear(study, desk, group, processes, selector)
            for by in asked:
                desk.stop(by)
            for group in desk.hung():
                _end_hung(desk, group, workers)
            for group, order in desk.orders():
                workers[group].line.send(order)
            look(desk)
        for worker in workers.values():
            worker.line.send({"kind": "end"})


def _hear(study: Study, desk: Desk, group: int, processes: Processes, selector: selectors.BaseSelector) -> None:
    """Take the messages of a process; in place of one that has ended start another, if there is work."""
    worker = processes.workers[group]
    while message := worker.line.receive():
        worker.is_ready = True
        desk.hear(group, message)
    if not worker.line.is_closed:
        return
    selector.unregister(worker.line.socket)
    worker.line.socket.close()
    code = worker.process.wait()
    how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
    del processes.workers[group]
    desk.lose(group, how)
    if not worker.is_ready and (tries := worker.n_starts) >= MOST_STARTS:
        desk.fail(DdpMlpError(f"a process for trials ended before it was ready, {tries} times ({how})"))
    elif not desk.is_over and not desk.stopped_by:
        processes.start(group, 1 if worker.is_ready else worker.n_starts + 1)
        replacement = processes.workers[group].line
        selector.register(replacement.socket, selectors.EVENT_READ, group)
        replacement.send(told(study))


def _end_hung(desk: Desk, group: int, workers: dict[int, Worker]) -> None:
    """Kill the process whose trial hangs, and note that."""
    workers[group].process.kill()
    workers[group].process.wait()
    desk.give_up(group)
