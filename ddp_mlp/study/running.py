"""A study from its first trial to its last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

from ddp_mlp.comm import Communicator, agreed
from ddp_mlp.run.options import RunOptions
from ddp_mlp.study.sampler import Results, Sampler
from ddp_mlp.study.trials import Configure, Tell, run_trial

Summary = dict[str, Any]


@dataclass(frozen=True)
class Study:
    """A study: its trials, and the place of their runs.

    Attributes
    ----------
    sampler : Sampler
        Chooses the trials.
    configure : Configure
        Builds the configuration of one.
    options : RunOptions
        Of every run; its directory is that of the study.
    name : callable
        Returns the name of a trial, which is its directory in that of the study, from its number.
    folds : int
        Runs of each trial, each validated by another part of the rows; 0 for one run.
    value : callable
        Returns the number of a trial that the sampler may see, from its summary; None where it failed.
    """

    sampler: Sampler
    configure: Configure
    options: RunOptions
    name: Callable[[int], str]
    folds: int = 0
    value: Callable[[Summary], float | None] = lambda summary: None  # noqa: ARG005


def run_study(
    study: Study, comm: Communicator, tell: Tell, on_result: Callable[[list[Summary]], None]
) -> list[Summary]:
    """Collective. Run every trial and return the summaries, in the order of their numbers.

    A trial that fails by itself is reported as failed, with the reason, and the others go on. One that is stopped is
    the last. With ``study.options.resume``, trials that are finished give their result at once.

    Parameters
    ----------
    on_result : callable
        Called on rank 0 with the summaries so far, whenever a trial is over.
    """
    summaries: list[Summary] = []
    for number in count():
        trial = study.sampler.propose(number, _seen(study, number, summaries))
        if trial is None:
            return summaries
        summary = run_trial(study.name(number), trial, study.configure, study.options, comm, tell, folds=study.folds)
        summaries.append(summary)
        with agreed(comm):
            if comm.rank == 0:
                on_result(summaries)
        if summary["status"] == "stopped":
            return summaries
    return summaries


def _seen(study: Study, number: int, summaries: list[Summary]) -> Results:
    """Return the results that a trial sees."""
    return {seen: study.value(summaries[seen]) for seen in study.sampler.sees(number, 1)}
