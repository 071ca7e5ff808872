"""A study: its trials, the place of their runs, and the summaries that they come to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ddp_mlp.durable import Check, unchecked
from ddp_mlp.run.options import RunOptions
from ddp_mlp.study.configurations import Configurations
from ddp_mlp.study.sampler import Assignment, Sampler
from ddp_mlp.study.stored import Stored

Summary = dict[str, Any]


def _nothing(_: Summary) -> float | None:
    return None


def _as_they_are(summaries: list[Summary]) -> list[Summary]:
    return summaries


@dataclass(frozen=True)
class Study:
    """A study: its trials, and the place of their runs.

    Attributes
    ----------
    sampler : Sampler
        Chooses the trials.
    configure : Configurations
        Builds the configuration of one.
    options : RunOptions
        Of every run; its directory is that of the study.
    name : callable
        Returns the name of a trial, which is its directory in that of the study, from its number.
    folds : int
        Runs of each trial, each validated by another part of the rows; 0 for one run.
    value : callable
        Returns the number of a trial that the sampler may see, from its summary; None where it failed.
    metric : str or None
        Measured at the end of each trial, where no epoch reports it.
    stored : Stored
        Finds results of runs that are over.
    whole : callable
        Returns the summaries of all trials that the directory is about from those of this study, which may be a part.
    check : callable
        Raises where the directory is no longer this job's own; called on rank 0 before its files change.
    """

    sampler: Sampler
    configure: Configurations
    options: RunOptions
    name: Callable[[int], str]
    folds: int = 0
    value: Callable[[Summary], float | None] = _nothing
    metric: str | None = None
    stored: Stored = field(default_factory=Stored)
    whole: Callable[[list[Summary]], list[Summary]] = _as_they_are
    check: Check = unchecked


def headed(name: str, trial: Sequence[Assignment], summary: Summary) -> Summary:
    """Return the summary of a trial with its name and its values first."""
    values = dict(assignment.split("=", 1) for assignment in trial)
    return {"name": name, "values": list(trial), "parameters": values, **summary}


def unfinished(study: Study, name: str) -> Summary:
    """Return the summary of a trial that was stopped, or had no time to begin."""
    directory = str(study.options.directory / name)
    return {"name": name, "values": [], "parameters": {}, "status": "stopped", "run_dir": directory}
