"""Searches whose trials are known from the beginning: a grid, and random draws."""

from __future__ import annotations

import itertools
from typing import Any

from ddp_mlp.core.sampling import stream_key
from ddp_mlp.study.space import Space, Values, assignments_of, require_grid

#: Draws of one trial before what is left is listed, and before a trial is taken twice.
_DRAWS, _MOST_DRAWS = 200, 10_000
#: Combinations that are listed where draws find no new one.
_MOST_LISTED = 10**6


def grid(space: Space) -> list[dict[str, Any]]:
    """Return every combination of values.

    Raises
    ------
    UsageError
        If a range is to be searched as a grid, or there are more than anybody waits for.
    """
    require_grid(space)
    return list(space.combinations())


def random_draws(space: Space, n_trials: int, seed: int) -> list[dict[str, Any]]:
    """Return so many random trials, or all there are where these are fewer; none comes twice."""
    seen, known = set[str](), dict[str, dict[str, Any]]()
    size, drawn = space.size(n_trials), list[dict[str, Any]]()
    for trial in range(n_trials if size is None else size):
        drawn.append(unseen_draw(space, trial, seed, seen, known))
        seen.add(key_of(drawn[-1]))
    return drawn


def unseen_draw(
    space: Space, trial: int, seed: int, seen: set[str], known: dict[str, dict[str, Any]] | None = None
) -> dict[str, Any]:
    """Return a random trial that is none of those seen; there must be one.

    Parameters
    ----------
    seen : set of str
        The `key_of` those before it.
    known : dict, optional
        Gets all combinations by their `key_of` once they are listed, for the next call.
    """
    for attempt in range(_DRAWS):
        drawn = space.draw(trial, seed, attempt)
        if key_of(drawn) not in seen:
            return drawn
    known = {} if known is None else known
    if not known and space.size(_MOST_LISTED) is not None:
        known |= {key_of(values): values for values in space.combinations()}
    if known:
        left = [key for key in known if key not in seen]
        return known[left[int(stream_key("search", seed, "what is left", trial)) % len(left)]]
    more = (space.draw(trial, seed, attempt) for attempt in range(_DRAWS, _MOST_DRAWS))
    return next(itertools.filterfalse(lambda values: key_of(values) in seen, more), drawn)


def key_of(values: Values) -> str:
    """Return a text that is the same for the same values of the same keys."""
    return "\n".join(sorted(assignments_of(values)))
