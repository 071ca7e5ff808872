"""The tree-structured Parzen estimator of Optuna: trials near those that were good.

Bergstra, Bardenet, Bengio and Kegl, Algorithms for hyper-parameter optimization, NIPS 2011.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ddp_mlp.core.sampling import stream_key
from ddp_mlp.errors import UsageError
from ddp_mlp.study.sampler import Assignment, Results
from ddp_mlp.study.samplers.listed import key_of, unseen_draw
from ddp_mlp.study.space import SearchSpace, Space, Values, assignments_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import optuna

#: Trials that are drawn at random before results are used, as Optuna does.
N_STARTUP = 10
#: Proposals of a trial that was there already, before one is drawn at random.
_PROPOSALS = 10


def require_optuna() -> None:
    """Raise UsageError if Optuna is not installed."""
    try:
        import optuna  # noqa: F401
    except ImportError:
        raise UsageError(
            "--sampler tpe needs optuna; pip install 'ddp-mlp[search]', or take --sampler random"
        ) from None


@dataclass(frozen=True)
class Tpe:
    """A sampler that learns from results; the same results give the same trials.

    Attributes
    ----------
    space : Space
    n_trials : int
        Trials in all; fewer where there are not so many combinations.
    seed : int
    maximize : bool
        Whether higher results are better.
    """

    space: Space
    n_trials: int
    seed: int
    maximize: bool = False
    _proposed: dict[int, dict[str, Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of trials."""
        size = self.space.size(self.n_trials)
        return self.n_trials if size is None else size

    def sees(self, number: int, at_once: int) -> range:
        """Return the trials that are over for sure when the number of one that begins is `number`."""
        return range(max(0, number - at_once + 1))

    def propose(self, number: int, results: Results) -> Sequence[Assignment] | None:
        """Return the assignments of a trial; None after the last."""
        if number >= len(self):
            return None
        at_once = number + 1 - len(results)
        for before in range(number + 1):
            if before not in self._proposed:
                seen = range(0) if not results else self.sees(before, at_once)
                self._proposed[before] = self._choose(before, {i: results[i] for i in seen})
        return assignments_of(self._proposed[number])

    def _choose(self, number: int, results: Results) -> dict[str, Any]:
        seen = {key_of(self._proposed[before]) for before in range(number)}
        if len(results) >= N_STARTUP:
            for attempt in range(_PROPOSALS):
                proposal = self._ask(number, results, attempt)
                if key_of(proposal) not in seen:
                    return proposal
        return unseen_draw(self.space, number, self.seed, seen)

    def _ask(self, number: int, results: Results, attempt: int) -> dict[str, Any]:
        """Return the proposal of Optuna, from a study that is made anew of the results."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        seed = int(stream_key("tpe", self.seed, number, attempt)) % 2**32
        study = optuna.create_study(
            direction="maximize" if self.maximize else "minimize",
            sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=1),
        )
        for before, value in results.items():
            study.add_trial(self._trial(self._proposed[before], value))
        asked, chosen = study.ask(), dict[str, Any]()
        for place, choice in enumerate(self.space.choices):
            if choice.applies(chosen):
                chosen[choice.key] = _suggested(asked, _name(place, choice), choice)
        return chosen

    def _trial(self, values: Values, value: float | None) -> optuna.trial.FrozenTrial:
        """Return a trial that is over; one that failed counts as worse than all others."""
        import optuna

        parameters, distributions = {}, {}
        for place, choice in enumerate(self.space.choices):
            if choice.applies(values):
                name, given = _name(place, choice), values[choice.key]
                distributions[name] = _distribution(choice)
                parameters[name] = given if choice.bounds else choice.values.index(given)
        if value is None or not math.isfinite(value):
            pruned = optuna.trial.TrialState.PRUNED
            return optuna.trial.create_trial(params=parameters, distributions=distributions, state=pruned)
        return optuna.trial.create_trial(params=parameters, distributions=distributions, value=value)


def _name(place: int, choice: SearchSpace) -> str:
    return f"{place} {choice.key}"  # a key may be there twice, each time under another condition


def _distribution(choice: SearchSpace) -> optuna.distributions.BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if choice.bounds is None:
        return CategoricalDistribution(range(len(choice.values)))
    low, high = choice.bounds
    if choice.is_whole:
        return IntDistribution(int(low), int(high), log=choice.is_log)
    return FloatDistribution(low, high, log=choice.is_log)


def _suggested(asked: optuna.Trial, name: str, choice: SearchSpace) -> Any:
    if choice.bounds is None:
        return choice.values[asked.suggest_categorical(name, range(len(choice.values)))]
    low, high = choice.bounds
    if choice.is_whole:
        return asked.suggest_int(name, int(low), int(high), log=choice.is_log)
    return asked.suggest_float(name, low, high, log=choice.is_log)
