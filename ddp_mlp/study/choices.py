"""The values that a command line gives to a search, and the folds of a cross-validation."""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ddp_mlp.config import parse_value
from ddp_mlp.config.bounds import objection
from ddp_mlp.config.schema import keys, sections
from ddp_mlp.config.suggestions import suggest_home
from ddp_mlp.config.values import is_whole
from ddp_mlp.errors import UsageError, literal
from ddp_mlp.study.sampler import Assignment
from ddp_mlp.study.space import Condition, SearchSpace

#: Keys that say what is predicted: trials that differ in one have no order.
_QUESTIONS = ("data.autoencode", "data.targets", "data.task")
#: Keys that tell the folds of a study apart.
_STUDIED = ("data.folds", "data.fold")
#: Keys that say how a run is carried out, watched and saved: they change nothing that a trial comes to.
_CARRYING_OUT = (
    "train.timeout_s", "train.log_layer_norms", "train.tensorboard", "train.check_ranks_every", "train.shard_optimizer",
    "train.overlap", "model.start_sha256",
)  # fmt: skip
#: Whole numbers from here on are not all different in float64, in which ranges are drawn.
_MOST_WHOLE = 2**53
_WORD = re.compile(r"[\w.+-]+")
_FORMS = 'give KEY=[VALUE, ...] in TOML, or KEY=LOW..HIGH with LOW < HIGH, "KEY=LOW..HIGH linear" to draw evenly'
_IF = re.compile(r"\s+if\s+(?=[\w.]+\s*(?:=|in\b))")
_CONDITION = re.compile(r"([\w.]+)\s*(=|in\b)\s*(\S.*)")
_CONDITION_FORMS = "write if KEY=VALUE, if KEY in [VALUE, ...], several joined by and"


def parse_choice(text: str) -> SearchSpace:
    """Read ``KEY=[VALUE, ...]``, ``KEY=[..], [..]`` for values that are lists, or ``KEY=LOW..HIGH``.

    A range from above 0 is drawn from on a logarithmic scale unless the word ``linear`` follows it. What is followed
    by ``if OTHER=VALUE``, or ``if OTHER in [VALUE, ...]``, is tried only where another key that is tried has such a
    value; several conditions are joined by ``and``.

    Raises
    ------
    UsageError
        If it is none of them, or means two things.
    """
    what, *conditions = _IF.split(text, maxsplit=1)
    key, _, value = (part.strip() for part in what.partition("="))
    if key in _QUESTIONS:
        raise UsageError(
            f"--try {literal(text)}: trials that differ in {key} predict different things, so that none is the better "
            "one; search for each with --set"
        )
    if key in _STUDIED:
        raise UsageError(f"--try {literal(text)}: {key} is for the study to choose, see --folds; leave it out")
    if key in _CARRYING_OUT or key.startswith("checkpoint."):
        raise UsageError(
            f"--try {literal(text)}: {key} says how a run is carried out, and changes nothing that a trial comes to; "
            "give one value for all with --set"
        )
    if key == "train.isa":
        raise UsageError(
            f"--try {literal(text)}: code of one process is for one CPU type, and all trials share it; search for each"
            " with --set"
        )
    if "." in key and ".." in value and not value.startswith("["):
        choice = _range(key, value)
    else:
        values = _values(value)
        _refuse_two_meanings(text, key, values)
        choice = SearchSpace(key, values=tuple(values)) if values and "." in key else None
    if choice is None:
        raise UsageError(f"--try {literal(text)}: {_FORMS}{suggest_home(key)}")
    return replace(choice, conditions=_conditions(text, conditions[0]) if conditions else ())


def _conditions(text: str, words: str) -> tuple[Condition, ...]:
    found = []
    for part in re.split(r"\s+and\s+", words.strip()):
        parts = _CONDITION.fullmatch(part)
        values = () if parts is None else _values(parts[3]) if parts[2] == "in" else (parse_value(parts[3]),)
        if parts is None or not values:
            raise UsageError(f"--try {literal(text)}: {literal(part)} is no condition; {_CONDITION_FORMS}")
        found.append(Condition(parts[1], tuple(values)))
    return tuple(found)


def _range(key: str, text: str) -> SearchSpace | None:
    ends, _, scale = text.partition(" ")
    low, _, high = ends.partition("..")
    with suppress(ValueError):
        bounds = (float(low), float(high))
        whole = is_whole(_kind(key))
        is_log = bounds[0] > 0 and scale.strip() != "linear"
        fits = not whole or all(bound.is_integer() for bound in bounds)
        if whole and fits and max(map(abs, bounds)) >= _MOST_WHOLE:
            raise UsageError(
                f"--try {key}={text}: a range of whole numbers ends below 2^53 = {_MOST_WHOLE}, from where on not each "
                "of them could be drawn; give those that you mean as a list [VALUE, ...]"
            )
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
    several = f"{key}={each} for {len(values)} values of one item each, or " if len(values) > 1 else ""
    one = json.dumps([values], default=str)
    raise UsageError(f"--try {literal(text)}: {key} takes lists; write {several}{key}={one} for one value")


def _kind(key: str) -> Any:
    """Return the type of ``SECTION.KEY``, or of a key of a table in it; None if there is none."""
    section, *names = key.split(".")
    kind: Any = sections().get(section)
    for name in names:
        kind = keys(kind).get(name) if isinstance(kind, type) else None
    return kind


def fold_assignments(folds: int) -> list[list[Assignment]]:
    """Return the assignments that make each fold validate once, in place of a share of the rows."""
    return [["data.valid_fraction=none", f"data.folds={folds}", f"data.fold={fold}"] for fold in range(folds)]
