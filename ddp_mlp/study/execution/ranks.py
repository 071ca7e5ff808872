"""A study on the ranks of a launcher, parted into groups; a thread of rank 0 is at the desk."""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
from collections.abc import Callable

from ddp_mlp.comm import Communicator, SingleProcess
from ddp_mlp.comm.groups import Post, World
from ddp_mlp.errors import CollectiveTimeoutError, DdpMlpError, error_from_code
from ddp_mlp.study.execution.desk import Desk
from ddp_mlp.study.execution.socket_line import Message
from ddp_mlp.study.execution.worker import Line, work
from ddp_mlp.study.study import Study, Summary
from ddp_mlp.unforeseen import traceback_of

#: Seconds between looks for messages.
_LOOK_EVERY_S = 0.001


class _FarLine:
    """The line of a group that is led by another rank than 0."""

    def __init__(self, post: Post) -> None:
        self._post = post

    def send(self, message: Message) -> None:
        self._post.send(0, json.dumps(message))

    def receive(self) -> Message | None:
        found = self._post.receive()
        return dict(json.loads(found[1])) if found else None


class _NearLine:
    """The line of the group that rank 0 leads, between two of its threads."""

    def __init__(self) -> None:
        self.heard: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self.orders: queue.SimpleQueue[Message] = queue.SimpleQueue()

    def send(self, message: Message) -> None:
        self.heard.put(message)

    def receive(self) -> Message | None:
        return None if self.orders.empty() else self.orders.get()


def run_in_groups(
    study: Study, desk: Desk, comm: World, n_groups: int, look: Callable[[Desk], None]
) -> tuple[list[Summary], DdpMlpError | None]:
    """Collective. Run a study in groups of ranks, and return what it came to, on every rank.

    Parameters
    ----------
    desk : Desk
        Of which that of rank 0 is used.
    look : callable
        Called with the desk on rank 0, often.
    """
    numbers = [rank * n_groups // comm.world_size for rank in range(comm.world_size)]
    leaders = [numbers.index(group) for group in range(n_groups)]
    post, near = comm.post(), _NearLine()
    serving = threading.Thread(target=_serve, args=(desk, comm, post, near, leaders, look), name="desk", daemon=True)
    if comm.rank == 0:
        serving.start()
    with comm.group(numbers[comm.rank]) as group:
        line: Line | None = (near if comm.rank == 0 else _FarLine(post)) if group.rank == 0 else None
        work(study, SingleProcess() if group.world_size == 1 else group, line)
    if comm.rank == 0:
        serving.join()
    post.flush()
    failure = desk.failure
    found = [desk.summaries(), failure and [failure.exit_code, str(failure)]]
    summaries, failed = json.loads(comm.share_text(json.dumps(found) if comm.rank == 0 else "")[0])
    return summaries, error_from_code(*failed) if failed else None


def _serve(
    desk: Desk, comm: Communicator, post: Post, near: _NearLine, leaders: list[int], look: Callable[[Desk], None]
) -> None:
    """Carry messages between the desk and the leaders of groups; should that fail, end the job."""

    def send(group: int, order: Message) -> None:
        if group == 0:
            near.orders.put(order)
        else:
            post.send(leaders[group], json.dumps(order))

    try:
        while not desk.is_over:
            while not near.heard.empty():
                desk.hear(0, near.heard.get())
            while found := post.receive():
                desk.hear(leaders.index(found[0]), json.loads(found[1]))
            for group, order in desk.orders():
                send(group, order)
            for group in desk.hung():
                _end_job(desk, group, comm)
            look(desk)
            time.sleep(_LOOK_EVERY_S)
        for group in range(len(leaders)):
            send(group, {"kind": "end"})
    except Exception as error:
        sys.stderr.write(f"{traceback_of(error)}\n")
        comm.abort(DdpMlpError.exit_code)


def _end_job(desk: Desk, group: int, comm: Communicator) -> None:
    """End all ranks, since one that hangs cannot be ended alone; its trial is noted as failed, others go on later."""
    summary = desk.give_up(group)
    sys.stderr.write(f"error: {summary['name']}: {summary['reason']}; go on with the others with --resume\n")
    sys.stderr.flush()
    comm.abort(CollectiveTimeoutError.exit_code)
