"""What a search tries."""

from __future__ import annotations

import math

import pytest

from ddp_mlp.errors import UsageError
from ddp_mlp.study.choices import make_trials, parse_choice


def test_a_grid_is_every_combination():
    choices = [parse_choice("model.hidden=[[8], [8, 4]]"), parse_choice("train.seed=[1, 2]")]
    assert make_trials(choices, None, 0) == [
        ["model.hidden=[8]", "train.seed=1"],
        ["model.hidden=[8]", "train.seed=2"],
        ["model.hidden=[8, 4]", "train.seed=1"],
        ["model.hidden=[8, 4]", "train.seed=2"],
    ]


def test_random_draws_lie_in_the_range_and_depend_on_the_seed_only():
    choices = [parse_choice("optimizer.learning_rate=1e-4..1e-1"), parse_choice('optimizer.name=["sgd"]')]
    trials = make_trials(choices, 200, seed=1)
    assert trials == make_trials(choices, 200, seed=1)
    assert trials != make_trials(choices, 200, seed=2)
    logs = [math.log10(float(rate.partition("=")[2])) for rate, _ in trials]
    assert all(-4 <= value <= -1 for value in logs)
    # The mean of 200 uniform draws from (-4, -1) has a standard deviation of 3 / sqrt(12 * 200) = 0.061.
    assert abs(sum(logs) / 200 + 2.5) < 5 * 0.061
    assert {name for _, name in trials} == {'optimizer.name="sgd"'}


@pytest.mark.parametrize(
    "text", ["model.hidden", "a=[1]", "a.b=[]", "a.b=3", "a.b=0..1", "a.b=2..1", "a.b=x..y", "a.b=["]
)
def test_a_choice_that_means_nothing_is_refused(text):
    with pytest.raises(UsageError, match="--try"):
        parse_choice(text)


def test_a_range_needs_a_number_of_draws():
    with pytest.raises(UsageError, match="--random"):
        make_trials([parse_choice("a.b=1..2")], None, 0)


def test_a_grid_without_end_is_refused_before_it_is_made():
    choices = [parse_choice(f"a.b{i}=[{', '.join(['1'] * 100)}]") for i in range(5)]
    with pytest.raises(UsageError, match=r"10,000,000,000 trials, at most 100,000"):
        make_trials(choices, None, 0)


def test_values_that_no_key_takes_come_as_text():
    assert make_trials([parse_choice("train.seed=[1979-05-27]")], None, 0) == [['train.seed="1979-05-27"']]
