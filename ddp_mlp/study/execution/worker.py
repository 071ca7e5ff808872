"""A group of workers: runs the trials that the desk hands out, one after the other."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from ddp_mlp.comm import Communicator, is_agreed
from ddp_mlp.errors import DdpMlpError
from ddp_mlp.run.signals import StopRequest, pending_stop
from ddp_mlp.study.execution.socket_line import Message
from ddp_mlp.study.study import Study
from ddp_mlp.study.trials import run_trial
from ddp_mlp.training.inputs.rows_at_hand import RowsAtHand
from ddp_mlp.training.report import Report

#: Seconds between looks for an order: at first, and after a while.
_SOON_S, _LATER_S = 0.0005, 0.02
#: Seconds after which the ranks of a group that waits meet, so that none of them seems to hang.
_MEET_EVERY_S = 5.0
#: Seconds between two words about the progress of a trial.
_TELL_EVERY_S = 0.2


class Line(Protocol):
    """The way between a group and the desk."""

    def send(self, message: Message) -> None:
        """Tell the desk something."""

    def receive(self) -> Message | None:
        """Return an order that has come, if there is one."""


def work(study: Study, comm: Communicator, line: Line | None) -> None:
    """Collective over a group. Run trials until the desk says that there are no more; `line` is of its rank 0."""
    at_hand = RowsAtHand()
    configure, options = replace(study.configure, comm=comm), replace(study.options, at_hand=at_hand)
    own = replace(study, configure=configure, options=options)
    if line:
        line.send({"kind": "ready"})
    while (order := _next_order(comm, line))["kind"] != "end":
        _run(own, comm, line, order)
    at_hand.close()


def _next_order(comm: Communicator, line: Line | None) -> Message:
    """Collective over a group. Return the next task, or the end."""
    while True:
        text = comm.share_text(json.dumps(_wait(line)) if line else "")[0]
        if order := json.loads(text):
            return dict(order)


def _wait(line: Line) -> Message | None:
    """Return the next task, or the end, or nothing for now; tell the desk of a signal meanwhile."""
    until, pause_s = time.monotonic() + _MEET_EVERY_S, _SOON_S
    while time.monotonic() < until:
        if by := pending_stop():
            line.send({"kind": "stop", "by": by})
        order = line.receive()
        if order and order["kind"] != "stop":
            return order
        time.sleep(pause_s)
        pause_s = min(1.2 * pause_s, _LATER_S)
    return None


def _run(study: Study, comm: Communicator, line: Line | None, order: Message) -> None:
    """Collective over a group. Run a trial, and tell the desk what it came to."""

    def watch(stop: StopRequest) -> Callable[[Report], None]:
        return _watcher(line, stop) if line else lambda report: None  # noqa: ARG005

    def warn(text: str) -> None:
        if line and text.startswith("warning"):
            line.send({"kind": "tell", "text": f"warning: {order['name']}: {text.removeprefix('warning: ')}"})

    if order["resume"]:
        study = replace(study, options=replace(study.options, resume=True))
    try:
        summary = run_trial(study, order["name"], order["trial"], warn, watch)
        message: Message = {"kind": "over", "summary": summary}
    except DdpMlpError as error:
        if comm.world_size > 1 and not is_agreed(error):
            raise
        message = {"kind": "failed", "code": error.exit_code, "reason": f"{order['name']}: {error}"}
    if line:
        line.send(message)


def _watcher(line: Line, stop: StopRequest) -> Callable[[Report], None]:
    """Return a listener that tells the desk of progress, and stops the run when the desk says so."""
    told_at = 0.0

    def listen(report: Report) -> None:
        nonlocal told_at
        order = line.receive()
        if order and order["kind"] == "stop":
            stop.ask(order["by"])
        if time.monotonic() - told_at > _TELL_EVERY_S:
            told_at = time.monotonic()
            line.send({"kind": "progress", "progress": _progress(report)})

    return listen


def _progress(report: Report) -> dict[str, Any]:
    row = report.finished_epoch or {}
    losses = {name: row[name] for name in ("train_loss", "valid_loss") if isinstance(row.get(name), float)}
    return {"epoch": report.epoch, "epochs": report.epochs, "step": report.step, **losses}
