"""Many runs from one configuration: cross-validation and hyper-parameter search.

Each trial is an ordinary run in a directory of its own: it can be evaluated, resumed, and
has the bits it would have alone.
"""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ddp_mlp.comm import Communicator
from ddp_mlp.config import Config
from ddp_mlp.durable import write_whole
from ddp_mlp.errors import NonFiniteError
from ddp_mlp.run.run import Run, RunOptions
from ddp_mlp.study.choices import Assignment

#: Columns that say how good a trial is, in the order in which one is looked for.
_SCORES = ("valid_loss", "train_loss")


#: Builds the configuration of a trial from its assignments.
Configure = Callable[[Sequence[Assignment]], Config]


def run_trials(
    trials: Sequence[Sequence[Assignment]],
    configure: Configure,
    names: Sequence[str],
    options: RunOptions,
    comm: Communicator,
    tell: Callable[[str], None],
) -> Iterator[dict[str, Any]]:
    """Collective. Run every trial in ``options.directory / name`` and yield its summary.

    With ``options.resume``, trials that are finished give their result at once. A trial
    that becomes non-finite is reported as failed and the others go on.
    """
    for name, trial in zip(names, trials, strict=True):
        if comm.rank == 0:
            tell(f"{name}: {', '.join(trial)}")
        own = RunOptions(options.directory / name, resume=options.resume, threads=options.threads)
        try:
            summary = Run(configure(trial), own, comm, tell).execute(lambda report: None)  # noqa: ARG005
        except NonFiniteError as error:
            summary = {"status": "failed", "reason": str(error), "run_dir": str(own.directory)}
        comm.release_shared()
        yield {"name": name, "values": list(trial), **summary}


def score_of(summary: dict[str, Any]) -> float:
    """Return the loss that ranks a trial: of validation, if there was any; infinite if it failed."""
    for name in _SCORES:
        if summary.get(name) is not None:
            return float(summary[name])
    return math.inf


def spread(summaries: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return mean and sample standard deviation over the folds of every metric."""
    metrics = [key for key in summaries[0] if key == "train_loss" or key.startswith("valid_")]
    return {
        key: {"mean": statistics.fmean(values), "std": statistics.stdev(values)}
        for key in metrics
        if all(isinstance(summary.get(key), float) for summary in summaries)
        for values in [[summary[key] for summary in summaries]]
    }


def write_table(path: Path, summaries: Sequence[dict[str, Any]]) -> None:
    """Write one row for each trial, the best first."""
    names = list(dict.fromkeys(key for summary in summaries for key in summary))
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=names, lineterminator="\n")
    writer.writeheader()
    writer.writerows([{**s, "values": " ".join(s["values"])} for s in sorted(summaries, key=score_of)])
    write_whole(path, text.getvalue().encode())
