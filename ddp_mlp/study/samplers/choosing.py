"""From the options of a search to its sampler, with all that is refused before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ddp_mlp.errors import UsageError
from ddp_mlp.study.choices import parse_choice
from ddp_mlp.study.ranking import HIGHER_IS_BETTER
from ddp_mlp.study.sampler import Assignment, Listed, Sampler
from ddp_mlp.study.samplers.listed import grid, random_draws
from ddp_mlp.study.samplers.tpe import Tpe, require_optuna
from ddp_mlp.study.space import Space, assignments_of, space_of

Kind = Literal["grid", "random", "tpe"]

#: Combinations of values, and random trials, that stand for those which are chosen later.
_MOST_CHECKED, _CHECKED_DRAWS = 500, 50
#: Keys of the loss that leave its unit as it is.
_PENALTIES = ("loss.l1", "loss.l2", "loss.lq", "loss.q")


@dataclass(frozen=True)
class Wish:
    """The options of a search that say what is tried.

    Attributes
    ----------
    choices : sequence of str
        As for `parse_choice`.
    kind : str or None
        None for a grid, or for random draws where their number is given.
    n_trials : int or None
        None for the whole grid.
    seed : int
    metric : str or None
        What ranks the trials.
    """

    choices: Sequence[str]
    kind: Kind | None = None
    n_trials: int | None = None
    seed: int = 0
    metric: str | None = None

    def definition(self) -> dict[str, Any]:
        """Return all that decides the trials, but for how many are drawn: the first are the same."""
        return {"--try": list(self.choices), "--sampler": self.chosen_kind, "--seed": self.seed}

    @property
    def chosen_kind(self) -> Kind:
        """The kind of the sampler, also where nobody named it."""
        return self.kind or ("grid" if self.n_trials is None else "random")

    def space(self) -> Space:
        """Return the space that is searched.

        Raises
        ------
        UsageError
            If a choice means nothing, or does not fit the others.
        """
        return space_of([parse_choice(text) for text in self.choices])


@dataclass(frozen=True)
class Chosen:
    """A sampler, its number of trials, and trials to be looked at before anything is trained.

    Attributes
    ----------
    trials : sequence of sequence of str
        All of them where they are known, else some that may be chosen.
    corners : sequence of sequence of str
        Trials of the ends of ranges.
    """

    sampler: Sampler
    n_trials: int
    trials: Sequence[Sequence[Assignment]]
    corners: Sequence[Sequence[Assignment]] = ()


def choose_sampler(wish: Wish) -> Chosen:
    """Return the sampler that is wished for.

    Raises
    ------
    UsageError
        If the options do not go together, the space is none, or Optuna is needed and not installed.
    """
    kind = wish.chosen_kind
    space = wish.space()
    if kind == "grid":
        if wish.n_trials is not None:
            raise UsageError("a grid has as many trials as there are combinations; leave out --trials and --random")
        return _listed(grid(space))
    if wish.n_trials is None:
        raise UsageError(f"--sampler {kind}: say how many trials with --trials N")
    if kind == "random":
        return _listed(random_draws(space, wish.n_trials, wish.seed), _corners(space))
    require_optuna()
    require_one_unit(space, wish.metric, "--sampler tpe")
    sampler = Tpe(space, wish.n_trials, wish.seed, wish.metric in HIGHER_IS_BETTER)
    drawn = [assignments_of(space.draw(trial, wish.seed)) for trial in range(_CHECKED_DRAWS)]
    return Chosen(sampler, len(sampler), drawn, _corners(space))


def _listed(trials: Sequence[dict[str, Any]], corners: Sequence[list[Assignment]] = ()) -> Chosen:
    assignments = [assignments_of(values) for values in trials]
    return Chosen(Listed(assignments), len(assignments), assignments, corners)


def _corners(space: Space) -> list[list[Assignment]]:
    return [assignments_of(values) for values in space.representatives(_MOST_CHECKED)]


def require_one_unit(space: Space, metric: str | None, option: str) -> None:
    """Raise UsageError where results are compared on the way whose losses are measured differently."""
    keys = [choice.key for choice in space.choices]
    other = [k for k in keys if k == "data.normalize_targets" or (k.startswith("loss.") and k not in _PENALTIES)]
    if other and metric in (None, "loss"):
        raise UsageError(
            f"{option}: losses of trials that differ in {other[0]} are measured differently; rank them by --metric"
            " accuracy or rmse"
        )
