"""The trials of a search, from what a command line says of its keys, and the folds of a cross-validation."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ddp_mlp.config import MOST_TRIALS, parse_value
from ddp_mlp.config.bounds import objection
from ddp_mlp.config.schema import keys, sections
from ddp_mlp.config.values import is_whole
from ddp_mlp.core.sampling import stream_key
from ddp_mlp.errors import UsageError, literal
from ddp_mlp.study.sampler import Assignment

#: Keys that say what is predicted: trials that differ in one have no order.
_QUESTIONS = ("data.autoencode", "data.targets", "data.task")
_WORD = re.compile(r"[\w.+-]+")
_FORMS = 'give KEY=[VALUE, ...] in TOML, or KEY=LOW..HIGH with LOW < HIGH, "KEY=LOW..HIGH linear" to draw evenly'


@dataclass(frozen=True)
class SearchSpace:
    """The values that one key may take: a list, or a range to draw from.

    Attributes
    ----------
    bounds : tuple of float, or None
        Ends of a range; both may be drawn where the key takes whole numbers.
    is_log : bool
        Whether a range is drawn from on a logarithmic scale, else evenly.
    is_whole : bool
        Whether whole numbers are drawn.
    """

    key: str
    values: tuple[Any, ...] = ()
    bounds: tuple[float, float] | None = None
    is_log: bool = True
    is_whole: bool = False

    def draw(self, trial: int, seed: int) -> Any:
        """Return the value of a random trial; the same for the same numbers."""
        random = float(stream_key("search", seed, self.key, trial)) / 2.0**64
        if self.bounds is None:
            return self.values[int(random * len(self.values))]
        low, high = self.bounds
        end = high + 1 if self.is_whole else high
        if self.is_log:
            drawn = math.exp(math.log(low) + random * (math.log(end) - math.log(low)))
        else:
            drawn = low + random * (end - low)
        return max(int(low), min(math.floor(drawn), int(high))) if self.is_whole else drawn


def parse_choice(text: str) -> SearchSpace:
    """Read ``KEY=[VALUE, ...]``, ``KEY=[..], [..]`` for values that are lists, or ``KEY=LOW..HIGH``.

    A range from above 0 is drawn from on a logarithmic scale unless the word ``linear`` follows it.

    Raises
    ------
    UsageError
        If it is none of them, or means two things.
    """
    key, _, value = (part.strip() for part in text.partition("="))
    if key in _QUESTIONS:
        raise UsageError(
            f"--try {literal(text)}: trials that differ in {key} predict different things, so that none is the better "
            "one; search for each with --set"
        )
    if "." in key and ".." in value and not value.startswith("["):
        choice = _range(key, value)
    else:
        values = _values(value)
        _refuse_two_meanings(text, key, values)
        choice = SearchSpace(key, values=tuple(values)) if values and "." in key else None
    if choice is None:
        raise UsageError(f"--try {literal(text)}: {_FORMS}")
    return choice


def _range(key: str, text: str) -> SearchSpace | None:
    ends, _, scale = text.partition(" ")
    low, _, high = ends.partition("..")
    with suppress(ValueError):
        bounds = (float(low), float(high))
        whole = is_whole(_kind(key))
        is_log = bounds[0] > 0 and scale.strip() != "linear"
        fits = not whole or all(bound.is_integer() for bound in bounds)
        if (
            scale.strip() in ("", "linear", "log"[: 3 * is_log])
            and -math.inf < bounds[0] < bounds[1] < math.inf
            and fits
        ):
            return SearchSpace(key, bounds=bounds, is_log=is_log, is_whole=whole)
    return None


def _values(text: str) -> list[Any]:
    """Return the values of a list; words in it need no quotes, and a list of lists no brackets around it."""
    values = parse_value(text)
    if isinstance(values, str) and text.startswith("["):
        values = parse_value(f"[{text}]")
    if isinstance(values, str) and text.startswith("[") and text.endswith("]"):
        items = [item.strip() for item in text[1:-1].split(",")]
        values = [parse_value(item) for item in items] if all(map(_WORD.fullmatch, items)) else values
    return values if isinstance(values, list) else []


def _refuse_two_meanings(text: str, key: str, values: list[Any]) -> None:
    """Raise UsageError for [16, 32] where only lists are values, since it could be one or stand for two."""
    kind = _kind(key)
    if kind is None or not values or objection(values, kind) or not all(objection(value, kind) for value in values):
        return
    each = json.dumps([[value] for value in values], default=str)
    raise UsageError(
        f"--try {literal(text)}: {key} takes lists; write {key}={each} for {len(values)} values of one item each, "
        f"or {key}={json.dumps([values], default=str)} for one value"
    )


def _kind(key: str) -> Any:
    """Return the type of ``SECTION.KEY``, or of a key of a table in it; None if there is none."""
    section, *names = key.split(".")
    kind: Any = sections().get(section)
    for name in names:
        kind = keys(kind).get(name) if isinstance(kind, type) else None
    return kind


def make_trials(choices: Sequence[SearchSpace], n_random: int | None, seed: int) -> list[list[Assignment]]:
    """Return the assignments of every trial: the whole grid, or `n_random` draws.

    Raises
    ------
    UsageError
        If a key is there twice, a range is to be searched as a grid, or the grid has more trials than anybody
        waits for.
    """
    names = [choice.key for choice in choices]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise UsageError(f"--try {twice} is there twice; give all its values at once")
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
    return json.dumps(value, default=str, ensure_ascii=False)


def fold_assignments(folds: int) -> list[list[Assignment]]:
    """Return the assignments that make each fold validate once, in place of a share of the rows."""
    return [["data.valid_fraction=none", f"data.folds={folds}", f"data.fold={fold}"] for fold in range(folds)]
