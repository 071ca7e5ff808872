"""The loop of a training that its caller may leave at any report, alike on all ranks or on one alone."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from typing import Any

from ddp_mlp.api.failures import as_python_errors
from ddp_mlp.api.model import Model
from ddp_mlp.api.progress import display, log
from ddp_mlp.api.result import Result, earlier_rows, history_of
from ddp_mlp.api.world import joined
from ddp_mlp.comm import Communicator, known_to_all
from ddp_mlp.config import Config as Settings
from ddp_mlp.errors import StoppedError
from ddp_mlp.run.options import RunOptions
from ddp_mlp.run.run import Run
from ddp_mlp.run.signals import StopSignals
from ddp_mlp.training.inputs.data_files import Opener
from ddp_mlp.training.report import Report

#: Whoever asks for a stop that is no error.
_CALLER = "the caller"


class Leave(Exception):  # noqa: N818 - no error
    """The wish of a caller to end a training."""


def reports_of(
    known: Settings, options: RunOptions, opener: Opener, progress: bool | None
) -> Generator[Report, None, Result]:
    """Collective. Train, yielding reports; after `Leave` only to the next moment at which all ranks can stop."""
    rows: list[dict[str, Any]] = []
    with as_python_errors(), joined() as comm:
        run = Run(known, options, comm, log, opener)
        shown = display(progress if comm.rank == 0 else False, known.train.epochs)
        with closing(shown):
            reports = run.reports(shown.show)
            is_left = False
            while True:
                try:
                    with StopSignals(run.stop.ask):
                        report = next(reports)
                except StopIteration as end:
                    summary = dict(end.value)
                    break
                rows += [report.finished_epoch] if report.finished_epoch else []
                if not is_left:
                    try:
                        yield report
                    except (Leave, GeneratorExit):  # goes on with the other ranks to the end, which then is near
                        is_left = True
                        run.stop.ask(_CALLER)
        _raise_if_told_to_stop(run, summary, comm)
        earlier = earlier_rows(comm, options.directory, rows) if options.resume else []
        result = Result(Model(run.model()), history_of([*earlier, *rows]), summary)
    return result


def _raise_if_told_to_stop(run: Run, summary: dict[str, Any], comm: Communicator) -> None:
    """Collective. Raise on all ranks where a signal has ended the training."""
    if summary["status"] != "stopped":
        return
    asked = next(filter(None, comm.share_text(run.stop.by)), _CALLER)
    if asked == "SIGINT":
        raise known_to_all(KeyboardInterrupt())
    if asked.startswith("SIG"):
        saved = f", state saved in {summary['run_dir']}; go on with resume=True" if summary["run_dir"] else ""
        raise known_to_all(StoppedError(f"stopped by {asked} at step {summary['steps']}{saved}"))
