"""Types of configuration keys with their bounds, and the keys that entries bring along.

Bounds are generous: what a person could mean, and what the arithmetic behind it can hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from msgspec import Meta

#: Names, in `Meta.extra`, the least value beside 0, where 0 stands for never.
LEAST = "least"

PositiveInt = Annotated[int, Meta(ge=1, le=10**9)]
Count = Annotated[int, Meta(ge=0, le=10**9)]
#: Steps over all epochs; exact as a number of float64 too.
Steps = Annotated[int, Meta(ge=1, le=10**15)]
StepCount = Annotated[int, Meta(ge=0, le=10**15)]
#: Beyond these there is nothing in float32.
PositiveFloat = Annotated[float, Meta(ge=1e-30, le=1e38)]
NonNegativeFloat = Annotated[float, Meta(ge=0, le=1e38)]
ClosedFraction = Annotated[float, Meta(ge=0, lt=1)]
#: By which something gets smaller.
Factor = Annotated[float, Meta(ge=1e-30, lt=1)]

#: The section of a resolved configuration that an entry belongs to: its keys are attributes.
Settings = Any


@dataclass(frozen=True)
class Key:
    """One key that an entry of the catalog takes.

    Attributes
    ----------
    kind : type
        As msgspec reads it, with bounds.
    meaning : str
        One sentence, for the reference, editors and drafts.
    default : number, optional
        None for an entry that does without it.
    is_needed : bool
        Whether the user must give it.
    part_of_rate : float, optional
        The default as a part of ``optimizer.learning_rate``.
    goes_with : str
        Another key of the entry without which this one means nothing.
    """

    kind: Any
    meaning: str
    default: float | None = None
    is_needed: bool = False
    part_of_rate: float | None = None
    goes_with: str = ""


@dataclass(frozen=True)
class Entry:
    """The base of all entries: the keys they take.

    Attributes
    ----------
    keys : mapping of str to Key
        Keys of the entry's section of the configuration. One name means the same, with the same bounds, in all entries.
    """

    keys: Mapping[str, Key] = field(default_factory=dict, kw_only=True)

    @property
    def defaults(self) -> dict[str, float]:
        """Return the defaults of the keys that have one."""
        return {name: key.default for name, key in self.keys.items() if key.default is not None}


def keys_of(entries: Iterable[Entry]) -> dict[str, Key]:
    """Return the keys of all entries of a family, by name."""
    return {name: key for entry in entries for name, key in entry.keys.items()}


def takers(entries: Mapping[str, Entry], key: str) -> list[str]:
    """Return the names of the entries that take a key."""
    return [name for name, entry in entries.items() if key in entry.keys]
