"""Random draws: none twice while others are left."""

from __future__ import annotations

import pytest

from ddp_mlp.study.choices import parse_choice
from ddp_mlp.study.samplers.listed import grid, key_of, random_draws
from ddp_mlp.study.space import space_of


def space(*texts):
    return space_of([parse_choice(text) for text in texts])


@pytest.mark.parametrize(
    ("texts", "size"),
    [
        (("train.global_batch_size=2..5",), 4),
        (("train.global_batch_size=1..400",), 400),  # on a logarithmic scale, so the last are rare
        (("train.early_stopping_patience=0..9 linear", "optimizer.name=[adam, sgd]"), 20),
        (("optimizer.name=[adam, sgd]", "train.seed=[1, 2, 3] if optimizer.name=sgd"), 4),
    ],
)
def test_each_combination_is_drawn_once_and_the_draws_end_with_the_last(texts, size):
    for n_trials in (size // 2, size, size + 10):
        drawn = random_draws(space(*texts), n_trials, seed=0)
        assert len({*map(key_of, drawn)}) == len(drawn) == min(n_trials, size)
    assert drawn == random_draws(space(*texts), size + 10, seed=0)
    assert drawn != random_draws(space(*texts), size + 10, seed=1)


def test_the_first_draws_do_not_depend_on_how_many_there_are():
    integers = space("train.global_batch_size=1..400", "model.dropout=[0, 0.5]")
    assert random_draws(integers, 100, 5)[:30] == random_draws(integers, 30, 5)


def test_a_branch_that_is_exhausted_gives_way_to_one_without_end():
    mixed = space("optimizer.name=[adam, sgd]", "optimizer.learning_rate=0.1..1 if optimizer.name=sgd")
    drawn = random_draws(mixed, 50, seed=0)
    assert sum("optimizer.learning_rate" not in values for values in drawn) == 1
    assert len({*map(key_of, drawn)}) == 50


def test_a_range_that_is_too_long_to_list_is_drawn_from():
    wide = space("train.seed=1..9000000000000000")
    assert len({values["train.seed"] for values in random_draws(wide, 200, 0)}) == 200


def test_a_grid_counts_what_conditions_leave():
    conditional = space("optimizer.name=[adam, sgd]", f"train.seed={[*range(60_000)]} if optimizer.name=sgd")
    assert len(grid(conditional)) == 60_001
