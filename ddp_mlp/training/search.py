"""Many runs from one configuration: cross-validation and hyper-parameter search.

Each trial is an ordinary run in a directory of its own: it can be evaluated, resumed, and
has the bits it would have alone.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import statistics
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ddp_mlp.comm import Communicator
from ddp_mlp.config import Config
from ddp_mlp.core.sampling import stream_key
from ddp_mlp.durable import write_whole
from ddp_mlp.errors import NonFiniteError, UsageError
from ddp_mlp.training.run import Run, RunOptions

#: An assignment ``SECTION.KEY=VALUE``, as on the command line.
Assignment = str

#: Columns that say how good a trial is, in the order in which one is looked for.
_SCORES = ("valid_loss", "train_loss")


@dataclass(frozen=True)
class Choice:
    """The values that one key may take: a list, or a range to draw from on a logarithmic scale."""

    key: str
    values: tuple[Any, ...] = ()
    bounds: tuple[float, float] | None = None

    def draw(self, trial: int, seed: int) -> Any:
        """Return the value of a random trial; the same for the same numbers."""
        random = float(stream_key("search", seed, self.key, trial)) / 2.0**64
        if self.bounds is None:
            return self.values[int(random * len(self.values))]
        low, high = (math.log(bound) for bound in self.bounds)
        return math.exp(low + random * (high - low))


def parse_choice(text: str) -> Choice:
    """Read ``KEY=[VALUE, ...]`` or ``KEY=LOW..HIGH``.

    Raises
    ------
    UsageError
        If it is neither.
    """
    key, _, value = text.partition("=")
    low, dots, high = value.partition("..")
    try:
        if dots:
            bounds = (float(low), float(high))
            if 0 < bounds[0] < bounds[1] < math.inf:
                return Choice(key.strip(), bounds=bounds)
        else:
            values = tomllib.loads(f"values = {value}")["values"]
            if isinstance(values, list) and values and "." in key:
                return Choice(key.strip(), values=tuple(values))
    except (ValueError, tomllib.TOMLDecodeError):
        pass
    raise UsageError(f"--try {text!r}: give KEY=[VALUE, ...] in TOML, or KEY=LOW..HIGH with 0 < LOW < HIGH")


def make_trials(choices: Sequence[Choice], n_random: int | None, seed: int) -> list[list[Assignment]]:
    """Return the assignments of every trial: the whole grid, or `n_random` draws.

    Raises
    ------
    UsageError
        If a range is to be searched as a grid.
    """
    if n_random is not None:
        drawn = [[choice.draw(trial, seed) for choice in choices] for trial in range(n_random)]
    elif any(choice.bounds for choice in choices):
        raise UsageError("a range KEY=LOW..HIGH has no end of values; say how many to draw with --random N")
    else:
        drawn = [list(values) for values in itertools.product(*(choice.values for choice in choices))]
    return [[f"{c.key}={_toml(v)}" for c, v in zip(choices, values, strict=True)] for values in drawn]


def _toml(value: Any) -> str:
    # JSON and TOML write numbers, booleans, strings and lists of them alike.
    return json.dumps(value)


def fold_assignments(folds: int) -> list[list[Assignment]]:
    """Return the assignments that make each fold validate once."""
    return [[f"data.folds={folds}", f"data.fold={fold}"] for fold in range(folds)]


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
