"""The trials of a search, from what a command line says of its keys, and of a cross-validation."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ddp_mlp.config import MOST_TRIALS, parse_value
from ddp_mlp.core.sampling import stream_key
from ddp_mlp.errors import UsageError, literal

#: An assignment ``SECTION.KEY=VALUE``, as on the command line.
Assignment = str


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
    if dots:
        with suppress(ValueError):
            bounds = (float(low), float(high))
            if 0 < bounds[0] < bounds[1] < math.inf:
                return Choice(key.strip(), bounds=bounds)
    else:
        values = parse_value(value)
        if isinstance(values, list) and values and "." in key:
            return Choice(key.strip(), values=tuple(values))
    raise UsageError(f"--try {literal(text)}: give KEY=[VALUE, ...] in TOML, or KEY=LOW..HIGH with 0 < LOW < HIGH")


def make_trials(choices: Sequence[Choice], n_random: int | None, seed: int) -> list[list[Assignment]]:
    """Return the assignments of every trial: the whole grid, or `n_random` draws.

    Raises
    ------
    UsageError
        If a range is to be searched as a grid, or the grid has more trials than anybody waits for.
    """
    if n_random is not None:
        drawn = [[choice.draw(trial, seed) for choice in choices] for trial in range(n_random)]
    elif any(choice.bounds for choice in choices):
        raise UsageError("a range KEY=LOW..HIGH has no end of values; say how many to draw with --random N")
    elif (size := math.prod(len(choice.values) for choice in choices)) > MOST_TRIALS:
        raise UsageError(f"a grid of {size:,} trials, at most {MOST_TRIALS:,} are allowed; draw some with --random N")
    else:
        drawn = [list(values) for values in itertools.product(*(choice.values for choice in choices))]
    return [[f"{c.key}={_toml(v)}" for c, v in zip(choices, values, strict=True)] for values in drawn]


def _toml(value: Any) -> str:
    # JSON and TOML write numbers, booleans, strings and lists of them alike; no key takes anything else.
    return json.dumps(value, default=str)


def fold_assignments(folds: int) -> list[list[Assignment]]:
    """Return the assignments that make each fold validate once."""
    return [[f"data.folds={folds}", f"data.fold={fold}"] for fold in range(folds)]
