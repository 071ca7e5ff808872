"""The runs of a study.

Each is an ordinary run in a directory of its own: it can be evaluated, resumed, and
has the bits it would have alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from ddp_mlp.comm import Communicator, is_agreed, known_to_all
from ddp_mlp.config import Config
from ddp_mlp.errors import DataError, DdpMlpError, NonFiniteError, UsageError
from ddp_mlp.run.files.directory import RunDirectory
from ddp_mlp.run.options import RunOptions
from ddp_mlp.run.run import Run
from ddp_mlp.run.signals import pending_stop
from ddp_mlp.run.summary import never_finite_text
from ddp_mlp.study.choices import fold_assignments
from ddp_mlp.study.ranking import over_folds
from ddp_mlp.study.sampler import Assignment

Tell = Callable[[str], None]

#: What is wrong with one trial and need not be with the next; anything else ends the study.
_OF_ITS_OWN = (NonFiniteError, UsageError, DataError)


class Configure(Protocol):
    """Builds the configuration of a trial from its assignments; all else as for `load_config`."""

    def __call__(self, trial: Sequence[Assignment], /, *, with_earlier_defaults: bool = False) -> Config:
        """Collective."""


def refuse_other_runs(directory: Path) -> None:
    """Raise UsageError if the directory of a study that begins holds runs already."""
    if holds_runs(directory):
        raise UsageError(f"{directory} already holds runs; go on with --resume, or choose another --out")


def holds_runs(directory: Path) -> bool:
    """Tell whether runs of a study have begun in a directory."""
    return any(RunDirectory(path).holds_run() for path in [*directory.glob("*-*"), *directory.glob("*-*/fold-*")])


def run_trial(
    name: str,
    trial: Sequence[Assignment],
    configure: Configure,
    options: RunOptions,
    comm: Communicator,
    tell: Tell,
    *,
    folds: int = 0,
) -> dict[str, Any]:
    """Collective. Run a trial in ``options.directory / name``, or once for each fold below it; return its summary.

    Parameters
    ----------
    folds : int
        Runs, each validated by another part of the rows; 0 for one run.
    """
    if folds:
        summary = _run_folds(name, trial, configure, options, comm, tell, folds)
    else:
        summary = run_one(name, trial, configure, options, comm, tell)
    values = dict(assignment.split("=", 1) for assignment in trial)
    return {"name": name, "values": list(trial), "parameters": values, **summary}


def _run_folds(
    name: str, trial: Sequence[Assignment], configure: Configure, options: RunOptions,
    comm: Communicator, tell: Tell, folds: int,
) -> dict[str, Any]:  # fmt: skip
    """Collective. Run a trial once for each fold, to the first that fails or is stopped."""
    own = replace(options, directory=options.directory / name)
    summaries = []
    for fold, more in enumerate(fold_assignments(folds)):
        summary = run_one(f"fold-{fold}", [*trial, *more], configure, own, comm, tell, shown=f"{name}, fold-{fold}")
        summaries.append(summary)
        if summary["status"] in ("failed", "stopped"):
            break
    return {**over_folds(name, summaries), "run_dir": str(own.directory)}


def run_one(
    name: str,
    trial: Sequence[Assignment],
    configure: Configure,
    options: RunOptions,
    comm: Communicator,
    tell: Tell,
    *,
    shown: str = "",
) -> dict[str, Any]:
    """Collective. Run a trial in ``options.directory / name`` and return its summary, also if it fails by itself.

    Parameters
    ----------
    trial : sequence of Assignment
        Keys and values that it sets.
    configure : callable
        Returns the configuration of a trial.
    tell : callable
        Called on rank 0 with a line for the user.
    shown : str
        Its name in messages.
    """
    own = replace(options, directory=options.directory / name)
    if reason := next(filter(None, comm.share_text(pending_stop())), ""):
        if comm.rank == 0:
            tell(f"stopped by {reason} before {shown or name}")
        return {"name": name, "status": "stopped", "run_dir": str(own.directory)}
    if comm.rank == 0:
        tell(f"{shown or name}: {', '.join(trial)}")
    try:
        config = configure(trial)
        if options.resume:
            own = replace(own, earlier=configure(trial, with_earlier_defaults=True))
        summary = Run(config, own, comm, tell).execute(lambda report: None)  # noqa: ARG005
        if summary["status"] != "stopped" and not summary["best_epoch"]:
            raise known_to_all(NonFiniteError(never_finite_text("validation", summary["epochs"])))
    except DdpMlpError as error:
        if not isinstance(error, _OF_ITS_OWN) or not (is_agreed(error) or comm.world_size == 1):
            raise
        summary = {
            "status": "failed",
            "exit_code": error.exit_code,
            "reason": str(error),
            "run_dir": str(own.directory),
        }
        if comm.rank == 0:
            tell(f"warning: {shown or name} failed: {error}")
    comm.release_shared()
    return {"name": name, **summary}
