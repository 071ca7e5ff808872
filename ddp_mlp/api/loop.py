"""The loop of a training that its caller may leave at any report, alike on all ranks or on one alone.

A training that was left ends in order when another begins, and when Python ends.
"""

from __future__ import annotations

import atexit
import weakref
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from typing import Any, Self

from ddp_mlp.api.failures import as_python_errors
from ddp_mlp.api.model import Model
from ddp_mlp.api.progress import display, log
from ddp_mlp.api.result import Result, earlier_rows, history_of
from ddp_mlp.api.world import has_failed_alone, is_rank, joined
from ddp_mlp.comm import Communicator, known_to_all
from ddp_mlp.config import Config as Settings
from ddp_mlp.errors import StoppedError, UsageError
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
        reports = run.reports(shown.show)
        with closing(shown), _ended_whole(run, reports):
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


@contextmanager
def _ended_whole(run: Run, reports: Generator[Report, None, Any]) -> Iterator[None]:
    """Have a training that an error ends from outside, as Ctrl-C where nobody listens, stop and save as one told to."""
    try:
        yield
    except BaseException:
        run.stop.ask(_CALLER)
        for _ in reports:
            pass  # none, if the error is the training's own
        raise


def _raise_if_told_to_stop(run: Run, summary: dict[str, Any], comm: Communicator) -> None:
    """Collective. Raise on all ranks where a signal has ended the training, or came when it was over."""
    asked = next(filter(None, comm.share_text(run.stop.by)), _CALLER)
    if asked == "SIGINT":
        raise known_to_all(KeyboardInterrupt())
    if asked.startswith("SIG"):
        if summary["status"] != "stopped":
            raise known_to_all(StoppedError(f"told to stop by {asked} when the training had come to its end"))
        saved = f", state saved in {summary['run_dir']}; go on with resume=True" if summary["run_dir"] else ""
        raise known_to_all(StoppedError(f"stopped by {asked} at step {summary['steps']}{saved}"))


class Training:
    """A training that goes on while its reports are taken; made by `training`.

    Collective: every rank takes reports alike. Leaving the loop ends the training after a few more steps on all ranks,
    saved as far as it has come.
    """

    def __init__(self, start: Generator[Report, None, Result]) -> None:
        self._reports = start
        self._result: Result | None = None
        self._has_begun = self._was_ended = False

    def __iter__(self) -> Iterator[Report]:
        return self

    def __next__(self) -> Report:
        if self._was_ended:
            with as_python_errors():
                raise UsageError("this training was ended when another one began; begin it again, or take its result")
        if not self._has_begun:
            self._take_over()
        try:
            report = next(self._reports)
            _close_at_exit(self)
            return report
        except StopIteration as end:
            self._result = self._result or end.value
            raise StopIteration from None

    def _take_over(self) -> None:
        """Collective. End another training of these ranks that was left without being closed."""
        self._has_begun = True
        other = _UNDER_WAY.get("ranks", lambda: None)()
        if is_rank():
            _UNDER_WAY["ranks"] = weakref.ref(self)
            if other is not None and other._result is None:
                other._was_ended = True
                other.close()

    @property
    def result(self) -> Result:
        """The result; a training that has not ended is ended first.

        Raises
        ------
        UsageError
            If it has failed, or was never begun.
        """
        self.close()
        if self._result is None:
            with as_python_errors():
                raise UsageError("there is no result: no report was ever taken of this training, or it has failed")
        return self._result

    def close(self) -> None:
        """Collective. End the training after a few more steps, if it has not ended."""
        if self._result is None:
            try:
                self._reports.throw(Leave())
            except StopIteration as end:
                self._result = end.value
            except Leave:
                pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if self._result is None:
            self._reports.close()


#: Trainings that have begun and may not have ended.
_OPEN: weakref.WeakSet[Training] = weakref.WeakSet()


def _close_at_exit(training: Training) -> None:
    """Close a training when Python ends, before the ranks leave and modules go away."""
    if not _OPEN:
        atexit.unregister(_close_all)
        atexit.register(_close_all)
    _OPEN.add(training)


def _close_all() -> None:
    """Collective. End all trainings that were left without being closed."""
    for each in [] if has_failed_alone() else list(_OPEN):
        each.close()


#: The training that the ranks of this process are at work on.
_UNDER_WAY: dict[str, weakref.ref[Training]] = {}
