"""The runs of a study.

Each is an ordinary run in a directory of its own: it can be evaluated, resumed, and
has the bits it would have alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ddp_mlp.comm import agreed, is_agreed, known_to_all
from ddp_mlp.config import Config
from ddp_mlp.errors import DataError, DdpMlpError, NonFiniteError, UsageError
from ddp_mlp.run.files.directory import RunDirectory
from ddp_mlp.run.options import Listener, RunOptions
from ddp_mlp.run.run import Run
from ddp_mlp.run.signals import StopRequest, leave_late, pending_stop
from ddp_mlp.run.summary import never_finite_text
from ddp_mlp.study.choices import fold_assignments
from ddp_mlp.study.measuring import measured
from ddp_mlp.study.ranking import is_done, over_folds
from ddp_mlp.study.sampler import Assignment
from ddp_mlp.study.study import Study, Summary, headed

Tell = Callable[[str], None]
#: Gets the way to stop a run, and returns a listener to its reports, which is called on rank 0.
Watch = Callable[[StopRequest], Listener]

#: What is wrong with one trial and need not be with the next; anything else ends the study.
_OF_ITS_OWN = (NonFiniteError, UsageError, DataError)

#: Half a second of a trial is not worth a save: most of many short trials are over by then.
_FIRST_REST_S = 0.5


def _unwatched(_: StopRequest) -> Listener:
    return lambda report: None  # noqa: ARG005


def run_trial(study: Study, name: str, trial: Sequence[Assignment], tell: Tell, watch: Watch = _unwatched) -> Summary:
    """Collective. Run a trial in a directory of its name, or once for each fold below it; return its summary.

    Parameters
    ----------
    trial : sequence of Assignment
        Keys and values that it sets.
    tell : callable
        Called on rank 0 with a line for the user.
    watch : callable
        Gets the way to stop a run that begins, and returns a listener to its reports.
    """
    directory = study.options.directory / name
    if not study.folds:
        return headed(name, trial, _run_one(study, directory, trial, name, tell, watch))
    summaries = []
    for fold, more in enumerate(fold_assignments(study.folds)):
        own, shown = directory / f"fold-{fold}", f"{name}, fold-{fold}"
        summaries.append({"name": own.name, **_run_one(study, own, [*trial, *more], shown, tell, watch)})
        if summaries[-1]["status"] in ("failed", "stopped"):
            break
    return headed(name, trial, {**over_folds(name, summaries), "run_dir": str(directory)})


def _run_one(
    study: Study, directory: Path, trial: Sequence[Assignment], shown: str, tell: Tell, watch: Watch
) -> Summary:
    """Collective. Run a trial in a directory and return its summary, also if it fails by itself."""
    comm = study.configure.comm
    if reason := next(filter(None, comm.share_text(pending_stop())), ""):
        if comm.rank == 0:
            tell(f"stopped by {reason} before {shown}")
        return {"status": "stopped", "stopped_by": reason, "run_dir": str(directory)}
    if comm.rank == 0:
        tell(f"{shown}: {', '.join(trial)}")
    try:
        summary = _execute(study, directory, trial, tell, watch)
        if is_done(summary):
            summary |= _measure(study, directory)
    except DdpMlpError as error:
        if not isinstance(error, _OF_ITS_OWN) or not (is_agreed(error) or comm.world_size == 1):
            raise
        summary = {"status": "failed", "exit_code": error.exit_code, "reason": str(error), "run_dir": str(directory)}
    if comm.rank == 0 and summary["status"] == "failed":
        tell(f"warning: {shown} failed: {summary['reason']}")
    comm.release_shared()
    return summary


def _measure(study: Study, directory: Path) -> dict[str, float | None]:
    """Collective. Return the metrics that are measured at the end of a run, and let its status tell them too."""
    comm = study.configure.comm
    found = measured(directory, study.metric, comm)
    with agreed(comm):
        if found and comm.rank == 0:  # of its group, which does not hold the directory of the study
            RunDirectory(directory).add_to_status(found)
    return found


def _execute(study: Study, directory: Path, trial: Sequence[Assignment], tell: Tell, watch: Watch) -> Summary:
    """Collective. Run a trial from where it stands, and return what it came to, now or at an earlier start."""
    config = study.configure(trial)
    options = replace(study.options, directory=directory, first_rest_s=_FIRST_REST_S)
    if options.resume:
        if stored := _stored(study, options, config):
            return stored
        options = replace(options, earlier=study.configure(trial, with_earlier_defaults=True))
    run = Run(config, options, study.configure.comm, tell)
    summary = run.execute(watch(run.stop))
    if summary["status"] == "stopped":
        summary["stopped_by"] = run.stop.by
        return summary
    leave_late(run.stop.by)
    if not summary["best_epoch"]:
        raise known_to_all(NonFiniteError(never_finite_text("validation", summary["epochs"])))
    return summary


def _stored(study: Study, options: RunOptions, config: Config) -> Summary | None:
    """Collective. Return the result of a run that has come to its end at an earlier start."""
    comm, found = study.configure.comm, None
    with agreed(comm):
        if comm.rank == 0:
            found = study.stored.result(RunDirectory(options.directory), config)
    shared: Summary | None = json.loads(comm.share_text(json.dumps(found))[0])
    return shared
