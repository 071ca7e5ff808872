"""What a search tries."""

from __future__ import annotations

import json
import math

import pytest

from ddp_mlp.errors import UsageError
from ddp_mlp.study.choices import parse_choice
from ddp_mlp.study.samplers.listed import grid, random_draws
from ddp_mlp.study.space import assignments_of, space_of


def make_trials(choices, n_random, seed):
    space = space_of(choices)
    drawn = grid(space) if n_random is None else random_draws(space, n_random, seed)
    return [assignments_of(values) for values in drawn]


def drawn(text: str, n: int = 400) -> list[float]:
    """Return draws by themselves, of which one may come again."""
    return [parse_choice(text).draw(trial, seed=1) for trial in range(n)]


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
    assert {*drawn("train.global_batch_size=2..5")} == {2, 3, 4, 5}
    sizes = drawn("train.global_batch_size=16..256")
    assert all(isinstance(size, int) and 16 <= size <= 256 for size in sizes)
    assert abs(sum(size < 64 for size in sizes) / 400 - 0.5) < 5 * 0.5 / 20  # half of the draws in half of the decades
    assert {*drawn("train.early_stopping_patience=0..3 linear")} == {0, 1, 2, 3}
    assert {*drawn("train.epochs=1e0..2e0")} == {1, 2}
    assert {*drawn("train.seed=9007199254740990..9007199254740991 linear")} == {2**53 - 2, 2**53 - 1}


@pytest.mark.parametrize("ends", ["9007199254740991..9007199254740993", "0..18446744073709551615 linear", "1..1e18"])
def test_whole_numbers_that_a_draw_could_not_tell_apart_are_a_list_or_refused(ends):
    with pytest.raises(UsageError, match=r"below 2\^53 = 9007199254740992"):
        parse_choice(f"train.seed={ends}")
    listed = make_trials([parse_choice("train.seed=[9007199254740993, 9007199254740992]")], None, 0)
    assert listed == [["train.seed=9007199254740993"], ["train.seed=9007199254740992"]]


@pytest.mark.parametrize(
    "text",
    ["train.timeout_s=[1, 600]", "train.timeout_s=1..600", "checkpoint.keep=[1, 3]", "checkpoint.every_minutes=1..9",
     "train.tensorboard=[true, false]", "train.overlap=[true, false]", "train.shard_optimizer=[true, false]",
     "train.check_ranks_every=1..9", "train.log_layer_norms=[true, false]"],
)  # fmt: skip
def test_keys_that_change_nothing_that_a_trial_comes_to_are_refused(text):
    with pytest.raises(UsageError, match="changes nothing that a trial comes to; give one value for all with --set"):
        parse_choice(text)


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


def test_a_key_without_its_section_is_told_where_it_is():
    with pytest.raises(UsageError, match=r"did you mean optimizer\.learning_rate\?"):
        parse_choice("lr=1..2")


@pytest.mark.parametrize("text", ["data.autoencode=[true, false]", 'data.targets=["a", "b"]'])
def test_trials_that_predict_different_things_are_refused(text):
    with pytest.raises(UsageError, match="predict different things"):
        parse_choice(text)


def test_a_range_needs_a_number_of_draws():
    with pytest.raises(UsageError, match="--trials"):
        make_trials([parse_choice("a.b=1..2")], None, 0)


def test_a_key_that_is_tried_twice_is_refused():
    with pytest.raises(UsageError, match=r"train\.seed is there twice"):
        make_trials([parse_choice("train.seed=[1]"), parse_choice("train.seed=[2]")], None, 0)


def test_a_grid_without_end_is_refused_before_it_is_made():
    choices = [parse_choice(f"a.b{i}={[*range(100)]}") for i in range(5)]
    with pytest.raises(UsageError, match=r"10,000,000,000 trials, at most 100,000"):
        make_trials(choices, None, 0)


def test_values_that_no_key_takes_come_as_text():
    assert make_trials([parse_choice("train.seed=[1979-05-27]")], None, 0) == [['train.seed="1979-05-27"']]


MOMENTUM = "optimizer.momentum=[0.9, 0.99] if optimizer.name=momentum"


def test_a_key_is_tried_only_where_its_condition_holds():
    both = [parse_choice(MOMENTUM), parse_choice("optimizer.name=[adam, momentum]")]
    assert make_trials(both, None, 0) == [
        ['optimizer.name="adam"'],
        ['optimizer.name="momentum"', "optimizer.momentum=0.9"],
        ['optimizer.name="momentum"', "optimizer.momentum=0.99"],
    ]
    drawn = make_trials(both, 10, 0)
    assert sorted(drawn) == sorted(make_trials(both, None, 0)), "each of three, and none twice"


def test_a_key_may_have_other_values_under_another_condition():
    rates = [
        parse_choice("optimizer.learning_rate=1e-4..1e-2 if optimizer.name in [adam, rmsprop]"),
        parse_choice("optimizer.learning_rate=0.1..1 if optimizer.name=sgd"),
    ]
    for name, rate in make_trials([parse_choice("optimizer.name=[adam, rmsprop, sgd]"), *rates], 60, 3):
        low, high = (0.1, 1) if "sgd" in name else (1e-4, 1e-2)
        assert low <= float(rate.partition("=")[2]) <= high
    with pytest.raises(UsageError, match=r"optimizer\.learning_rate is there twice"):
        space_of(
            [parse_choice("optimizer.name=[adam, sgd, rmsprop]"), *rates, parse_choice("optimizer.learning_rate=[0.5]")]
        )


def test_conditions_may_follow_from_each_other_and_be_several():
    depth = "model.hidden=[[8], [8, 8]] if optimizer.name=momentum and optimizer.momentum=0.99"
    trials = make_trials([parse_choice(t) for t in (depth, MOMENTUM, "optimizer.name=[adam, momentum]")], None, 0)
    assert [len(trial) for trial in trials] == [1, 2, 3, 3]


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        ([MOMENTUM], "optimizer.name is not tried"),
        ([MOMENTUM, "optimizer.name=[adam, sgd]"], 'that value is not tried; its values are "adam", "sgd"'),
        (["a.b=[1] if a.c=1", "a.c=1..2"], "drawn from a range"),
        (["a.b=[1] if a.c=1", "a.c=[1] if a.b=1"], "in a circle"),
        (["a.b=[1] if a.b=1"], "in a circle"),
        (["a.b=[1, 2, 1]"], "the value 1 is there twice"),
        (["a.b=[1] if a.c in 3", "a.c=[1]"], "is no condition"),
        (["a.b=[1] if a.c=1 and so", "a.c=[1]"], "is no condition"),
        (["data.fold=[0, 1]"], "is for the study to choose"),
    ],
)
def test_conditions_that_cannot_hold_are_refused(texts, reason):
    with pytest.raises(UsageError, match="--try") as caught:
        space_of([parse_choice(text) for text in texts])
    assert reason in str(caught.value)


def test_values_and_ends_of_ranges_stand_for_all():
    texts = ["optimizer.name=[adam, momentum]", MOMENTUM, "train.global_batch_size=16..256", "model.dropout=0..0.5"]
    found = [*space_of([parse_choice(text) for text in texts]).representatives(100)]
    assert len(found) == 3 * 4
    assert {values["train.global_batch_size"] for values in found} == {16, 256}
    assert {values["model.dropout"] for values in found} == {0, 0.5}
