"""Searches of requests: their trials are checked as a search itself does, before anything starts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from ddp_mlp.config.checks import check_consistency, check_values, resolve_defaults
from ddp_mlp.config.toml import Table
from ddp_mlp.config.values import plain
from ddp_mlp.errors import UsageError

if TYPE_CHECKING:
    from ddp_mlp.study.space import SearchSpace, Space

#: Combinations, and values of one key, that are tried on the configuration; a search looks at all that are left.
_MOST_CHECKED = 100


def check_search(options: dict[str, list[str]], table: Table) -> None:
    """Raise UsageError unless a search can begin: for what it tries, alone and together.

    Parameters
    ----------
    options : dict of list of str
        The values of each option.
    table : Table
        Configuration that it starts from.
    """
    from ddp_mlp.study.choices import parse_choice  # NumPy comes with them
    from ddp_mlp.study.space import require_grid, space_of

    n_trials = options.get("--trials", []) + options.get("--random", [])
    sampler = options.get("--sampler", ["random" if n_trials else "grid"])[-1]
    if "--try" not in options:
        raise UsageError("a search needs --try KEY=[VALUE, ...]")
    space = space_of([parse_choice(text) for text in options["--try"]])
    if sampler == "grid":
        if n_trials:
            raise UsageError("a grid has as many trials as there are combinations; leave out --trials and --random")
        require_grid(space)
    elif not n_trials:
        raise UsageError(f"--sampler {sampler}: say how many trials with --trials N")
    if "--halving" not in options and (given := [name for name in ("--eta", "--min-epochs") if name in options]):
        raise UsageError(f"{given[0]} is of successive halving; give --halving too, or leave it out")
    _check_trials(space, table)


def _check_trials(space: Space, table: Table) -> None:
    for choice in space.choices:
        for value in _some_values(choice):
            if found := check_values(plain(_with(table, {choice.key: value}))):
                raise UsageError(f"--try {choice.key}={json.dumps(value, default=str)}: {found[0]}")
    for values in space.representatives(_MOST_CHECKED):
        raw = plain(_with(table, values))
        if found := check_values(raw) or check_consistency(resolve_defaults(raw)):
            told = ", ".join(f"{key}={json.dumps(value, default=str)}" for key, value in values.items())
            raise UsageError(f"--try {told}: {found[0]}")


def _some_values(choice: SearchSpace) -> Sequence[Any]:
    """Return values of a list; of a range its ends, which are whole numbers where the key takes these."""
    if choice.bounds is None:
        return choice.values[:_MOST_CHECKED]
    return [int(bound) if choice.is_whole else bound for bound in choice.bounds]


def _with(table: Table, values: dict[str, Any]) -> Table:
    """Return a configuration with some keys set."""
    made = deepcopy(table)
    for key, value in values.items():
        *names, last = key.split(".")
        inner: Any = made
        for name in names:
            inner = inner.setdefault(name, {})
            if not isinstance(inner, dict):
                raise UsageError(f"--try {key}: {name} is no table of the configuration")
        inner[last] = value
    return made
