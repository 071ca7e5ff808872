"""The sampler that learns from results."""

from __future__ import annotations

import math
import sys

import pytest

from ddp_mlp.errors import UsageError
from ddp_mlp.study.choices import parse_choice
from ddp_mlp.study.samplers.listed import random_draws
from ddp_mlp.study.samplers.tpe import N_STARTUP, Tpe, require_optuna
from ddp_mlp.study.space import assignments_of, space_of

SPACE = space_of(
    [
        parse_choice("optimizer.name=[adam, momentum]"),
        parse_choice("optimizer.momentum=0.5..0.99 linear if optimizer.name=momentum"),
        parse_choice("optimizer.learning_rate=1e-4..1"),
        parse_choice("train.global_batch_size=8..256"),
        parse_choice("model.hidden=[[8], [16, 16]]"),
    ]
)


def values_of(trial):
    return dict(assignment.split("=", 1) for assignment in trial)


def loss(trial):
    """Lowest for a rate of 0.01, and a batch of 32; some trials fail."""
    found = values_of(trial)
    rate, size = float(found["optimizer.learning_rate"]), int(found["train.global_batch_size"])
    return None if rate > 0.8 else math.log(rate / 0.01) ** 2 + math.log(size / 32) ** 2


def run(sampler, at_once, known=()):
    """Return all trials of a study whose first results are known; each sees what may be over."""
    trials, results = [], {}
    while True:
        number = len(trials)
        seen = {i: results[i] for i in sampler.sees(number, at_once)}
        trial = sampler.propose(number, seen)
        if trial is None:
            return trials
        results[number] = known[number] if number < len(known) else loss(trial)
        trials.append(trial)


def test_the_same_study_gives_the_same_trials_also_when_it_is_gone_on_with():
    for at_once in (1, 3):
        trials = run(Tpe(SPACE, 25, seed=4), at_once)
        assert run(Tpe(SPACE, 25, seed=4), at_once) == trials
        late, results = Tpe(SPACE, 25, seed=4), [loss(trial) for trial in trials]
        assert late.propose(20, dict(enumerate(results[: 21 - at_once]))) == trials[20], "without asking for the others"
    assert run(Tpe(SPACE, 25, seed=5), 1) != run(Tpe(SPACE, 25, seed=4), 1)
    assert run(Tpe(SPACE, 25, seed=4), 1) != run(Tpe(SPACE, 25, seed=4), 3), "of fewer results, other trials"


def test_it_begins_at_random_and_then_does_better_than_chance():
    draws = [assignments_of(values) for values in random_draws(SPACE, 40, 7)]
    trials = run(Tpe(SPACE, 40, seed=7), 1)
    assert trials[:N_STARTUP] == draws[:N_STARTUP]
    later, chance = ([loss(t) for t in each[20:] if loss(t) is not None] for each in (trials, draws))
    assert sum(later) / len(later) < 0.5 * sum(chance) / len(chance)


def test_conditions_hold_and_higher_may_be_better():
    for trial in run(Tpe(SPACE, 30, seed=1), 2):
        found = values_of(trial)
        assert ("optimizer.momentum" in found) == (found["optimizer.name"] == '"momentum"')
    up = Tpe(space_of([parse_choice("optimizer.learning_rate=0.001..1 linear")]), 30, 0, maximize=True)
    results = {}
    for number in range(30):
        rate = float(up.propose(number, dict(results))[0].partition("=")[2])
        results[number] = rate
    assert sum(list(results.values())[15:]) / 15 > 0.7


def test_no_combination_comes_twice_and_the_last_ends_the_study():
    few = space_of([parse_choice("train.global_batch_size=1..17"), parse_choice("optimizer.name=[adam, sgd]")])
    sampler = Tpe(few, 100, seed=0)
    trials, results = [], {}
    while (trial := sampler.propose(len(trials), dict(results))) is not None:
        results[len(trials)] = float(values_of(trial)["train.global_batch_size"])
        trials.append(tuple(trial))
    assert len({*trials}) == len(trials) == len(sampler) == 34


def test_without_optuna_one_line_says_how_to_get_it(monkeypatch):
    require_optuna()
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageError, match=r"pip install 'ddp-mlp\[search\]'"):
        require_optuna()
