"""The values that a search may try: of each key, and where a key is tried at all."""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ddp_mlp.config import MOST_TRIALS
from ddp_mlp.core.sampling import stream_key
from ddp_mlp.errors import UsageError, listed
from ddp_mlp.study.sampler import Assignment

#: The value of each key that a trial sets.
Values = Mapping[str, Any]

_SHOWN = 8


@dataclass(frozen=True)
class Condition:
    """A key that must have one of some values, for another to be tried."""

    key: str
    values: tuple[Any, ...]

    def holds(self, values: Values) -> bool:
        """Tell whether a trial of these values meets it."""
        return self.key in values and _text(values[self.key]) in map(_text, self.values)

    def excludes(self, other: Condition) -> bool:
        """Tell whether no trial meets both."""
        return self.key == other.key and not {*map(_text, self.values)} & {*map(_text, other.values)}


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
    conditions : tuple of Condition
        All must hold, else the key is left as it is configured.
    """

    key: str
    values: tuple[Any, ...] = ()
    bounds: tuple[float, float] | None = None
    is_log: bool = True
    is_whole: bool = False
    conditions: tuple[Condition, ...] = ()

    def draw(self, trial: int, seed: int, attempt: int = 0) -> Any:
        """Return the value of a random trial; the same for the same numbers."""
        random = float(stream_key("search", seed, self.key, trial, *([attempt] if attempt else []))) / 2.0**64
        if self.bounds is None:
            return self.values[int(random * len(self.values))]
        low, high = self.bounds
        end = high + 1 if self.is_whole else high
        if self.is_log:
            drawn = math.exp(math.log(low) + random * (math.log(end) - math.log(low)))
        else:
            drawn = low + random * (end - low)
        return max(int(low), min(math.floor(drawn), int(high))) if self.is_whole else drawn

    @property
    def is_countable(self) -> bool:
        """Whether its values can be listed one by one."""
        return self.bounds is None or self.is_whole

    def all_values(self) -> Sequence[Any]:
        """Return every value; the ends of a range that cannot be listed."""
        if self.bounds is None:
            return self.values
        return range(int(self.bounds[0]), int(self.bounds[1]) + 1) if self.is_whole else self.bounds

    def applies(self, values: Values) -> bool:
        """Tell whether the key is tried in a trial that sets these values of other keys."""
        return all(condition.holds(values) for condition in self.conditions)


@dataclass(frozen=True)
class Space:
    """The keys of a search, each after those that its conditions ask for; made by `space_of`."""

    choices: tuple[SearchSpace, ...]

    def draw(self, trial: int, seed: int, attempt: int = 0) -> dict[str, Any]:
        """Return the values of a random trial; the same for the same numbers."""
        drawn: dict[str, Any] = {}
        for choice in self.choices:
            if choice.applies(drawn):
                drawn[choice.key] = choice.draw(trial, seed, attempt)
        return drawn

    def combinations(self) -> Iterator[dict[str, Any]]:
        """Yield each combination of values, the last key changing fastest; of ranges that cannot be listed the ends."""
        return _combinations(self.choices, {})

    def size(self, most: int) -> int | None:
        """Return the number of combinations; None for more than `most`, and where they cannot be listed."""
        if not all(choice.is_countable for choice in self.choices):
            return None
        counted = sum(1 for _ in itertools.islice(self.combinations(), most + 1))
        return counted if counted <= most else None

    def representatives(self, most: int) -> Iterator[dict[str, Any]]:
        """Yield up to `most` combinations in which each value of a list, and each end of a range, can stand."""
        ends = [replace(c, values=c.bounds, bounds=None) if c.bounds else c for c in self.choices]
        whole = [replace(c, values=tuple(map(int, c.values))) if c.is_whole else c for c in ends]
        return itertools.islice(_combinations(tuple(whole), {}), most)


def _combinations(choices: tuple[SearchSpace, ...], before: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if not choices:
        yield before
    elif not choices[0].applies(before):
        yield from _combinations(choices[1:], before)
    else:
        for value in choices[0].all_values():
            yield from _combinations(choices[1:], {**before, choices[0].key: value})


def assignments_of(values: Values) -> list[Assignment]:
    """Return values as the assignments of a trial."""
    return [f"{key}={_text(value)}" for key, value in values.items()]


def _text(value: Any) -> str:
    # JSON and TOML write numbers, booleans, strings and lists of them alike; no key takes anything else.
    return json.dumps(value, default=str, ensure_ascii=False)


def space_of(choices: Sequence[SearchSpace]) -> Space:
    """Return the space of some choices, each after those that it depends on.

    Raises
    ------
    UsageError
        If a key is there twice in one trial, has a value twice, or depends on what is not tried.
    """
    for i, choice in enumerate(choices):
        _require_different_values(choice)
        for other in choices[:i]:
            if other.key == choice.key and not _exclude(choice, other):
                raise UsageError(
                    f"--try {choice.key} is there twice; give all its values at once, or say with ' if KEY=VALUE' when"
                    " each counts"
                )
        for condition in choice.conditions:
            _require_possible(choice, condition, choices)
    return Space(tuple(_ordered(list(choices))))


def _exclude(one: SearchSpace, other: SearchSpace) -> bool:
    return any(a.excludes(b) for a in one.conditions for b in other.conditions)


def _require_different_values(choice: SearchSpace) -> None:
    texts = Counter(map(_text, choice.values))
    if twice := next((text for text, times in texts.items() if times > 1), ""):
        raise UsageError(f"--try {choice.key}: the value {twice} is there twice; give each once")


def _require_possible(choice: SearchSpace, condition: Condition, choices: Sequence[SearchSpace]) -> None:
    """Raise UsageError for a condition that no trial can meet."""
    tried = [other for other in choices if other.key == condition.key]
    if not tried:
        raise UsageError(
            f"--try {choice.key} ... if {condition.key}: {condition.key} is not tried; add --try"
            f" '{condition.key}=[...]', or leave the condition out"
        )
    if any(other.bounds is not None for other in tried):
        raise UsageError(
            f"--try {choice.key} ... if {condition.key}: {condition.key} is drawn from a range, a condition needs a"
            " list of values"
        )
    known = [_text(value) for other in tried for value in other.values]
    if never := next((value for value in condition.values if _text(value) not in known), None):
        raise UsageError(
            f"--try {choice.key} ... if {condition.key}={_text(never)}: that value is not tried; its values are"
            f" {listed(known, _SHOWN)}"
        )


def _ordered(choices: list[SearchSpace]) -> Iterator[SearchSpace]:
    """Yield choices in their order, but each after those that it depends on."""
    waiting = choices
    while waiting:
        keys = {choice.key for choice in waiting}
        ready = next((c for c in waiting if not any(condition.key in keys for condition in c.conditions)), None)
        if ready is None:
            raise UsageError(f"--try {waiting[0].key}: its condition leads in a circle; one key must be tried always")
        waiting = [choice for choice in waiting if choice is not ready]
        yield ready


def require_grid(space: Space) -> int:
    """Return the number of combinations of a grid.

    Raises
    ------
    UsageError
        If a range is to be searched as a grid, or there are more than anybody waits for.
    """
    if any(choice.bounds for choice in space.choices):
        raise UsageError("a range KEY=LOW..HIGH has no end of values; say how many to draw with --trials N")
    size = space.size(MOST_TRIALS)
    if size is None:
        bound = math.prod(len(choice.values) for choice in space.choices)
        raise UsageError(f"a grid of {bound:,} trials, at most {MOST_TRIALS:,} are allowed; draw some with --trials N")
    return size
