"""What a search tries."""

from __future__ import annotations

import json
import math

import pytest

from ddp_mlp.errors import UsageError
from ddp_mlp.study.choices import make_trials, parse_choice


def drawn(text: str, n: int = 400) -> list[float]:
    return [float(trial[0].partition("=")[2]) for trial in make_trials([parse_choice(text)], n, seed=1)]


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


def test_whole_numbers_are_drawn_where_the_key_takes_them_both_ends_among_them():
    assert {*drawn("train.global_batch_size=2..5")} == {2.0, 3.0, 4.0, 5.0}
    sizes = drawn("train.global_batch_size=16..256")
    assert all(size.is_integer() and 16 <= size <= 256 for size in sizes)
    assert abs(sum(size < 64 for size in sizes) / 400 - 0.5) < 5 * 0.5 / 20  # half of the draws in half of the decades
    assert {*drawn("train.early_stopping_patience=0..3 linear")} == {0.0, 1.0, 2.0, 3.0}
    assert {*drawn("checkpoint.keep=1e0..2e0")} == {1.0, 2.0}


@pytest.mark.parametrize("text", ["model.dropout=0..0.5", "optimizer.momentum=0.1..0.9 linear"])
def test_a_range_from_0_or_said_to_be_linear_is_drawn_from_evenly(text):
    low, high = (float(end) for end in text.partition("=")[2].split(" ")[0].split(".."))
    values = drawn(text)
    assert all(low <= value <= high for value in values)
    # The mean of 400 even draws has a standard deviation of 1 / sqrt(12 * 400) of the range.
    assert abs(sum(values) / 400 - (low + high) / 2) < 5 * (high - low) / math.sqrt(12 * 400)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("model.hidden=[[16, 32]]", [[16, 32]]), ("model.hidden=[16],[32,32]", [[16], [32, 32]]),
        ("model.hidden=[16], []", [[16], []]), ("model.hidden=[[16], [32]]", [[16], [32]]),
        ("optimizer.name=[adam, sgd]", ["adam", "sgd"]), ("model.activation=[relu,tanh]", ["relu", "tanh"]),
        ("train.global_batch_size=[32, full]", [32, "full"]), ("model.dropout=[0, 0.5]", [0, 0.5]),
    ],
)  # fmt: skip
def test_lists_and_words_are_values(text, values):
    trials = make_trials([parse_choice(text)], None, 0)
    assert [json.loads(trial[0].partition("=")[2]) for trial in trials] == values


def test_a_list_that_could_be_one_value_or_several_is_asked_about():
    with pytest.raises(UsageError, match=r"\[\[16\], \[32\]\] for 2 values .*\[\[16, 32\]\] for one"):
        parse_choice("model.hidden=[16, 32]")


@pytest.mark.parametrize(
    "text",
    [
        "model.hidden", "a=[1]", "a.b=[]", "a.b=3", "a.b=2..1", "a.b=1..1", "a.b=x..y", "a.b=[", "a.b=1..inf",
        "a.b=nan..1", "train.epochs=1.5..3", "a.b=1..2 log-ish", "optimizer.learning_rate=0.1,0.01", "a.b=adam,sgd",
    ],
)  # fmt: skip
def test_a_choice_that_means_nothing_is_refused(text):
    with pytest.raises(UsageError, match="--try"):
        parse_choice(text)


@pytest.mark.parametrize("text", ["data.autoencode=[true, false]", 'data.targets=["a", "b"]'])
def test_trials_that_predict_different_things_are_refused(text):
    with pytest.raises(UsageError, match="predict different things"):
        parse_choice(text)


def test_a_range_needs_a_number_of_draws():
    with pytest.raises(UsageError, match="--random"):
        make_trials([parse_choice("a.b=1..2")], None, 0)


def test_a_key_that_is_tried_twice_is_refused():
    with pytest.raises(UsageError, match=r"train\.seed is there twice"):
        make_trials([parse_choice("train.seed=[1]"), parse_choice("train.seed=[2]")], None, 0)


def test_a_grid_without_end_is_refused_before_it_is_made():
    choices = [parse_choice(f"a.b{i}=[{', '.join(['1'] * 100)}]") for i in range(5)]
    with pytest.raises(UsageError, match=r"10,000,000,000 trials, at most 100,000"):
        make_trials(choices, None, 0)


def test_values_that_no_key_takes_come_as_text():
    assert make_trials([parse_choice("train.seed=[1979-05-27]")], None, 0) == [['train.seed="1979-05-27"']]
