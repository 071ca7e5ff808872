"""The table of a study: values as they were tried, and results in their digits."""

from __future__ import annotations

import pytest

from ddp_mlp.study.table import short_value, text_table


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("20240101", "20240101"), ("131072", "131072"), ("0.0031622776601683794", "0.0031623"), ("1e-05", "1e-05"),
        ("[64, 64]", "[64, 64]"), ('"adam"', "adam"), ('"007"', "007"), ("true", "true"), ("", ""),
    ],
)  # fmt: skip
def test_a_value_is_the_one_that_was_tried(text, shown):
    assert short_value(text) == shown


def test_whole_numbers_have_all_their_digits():
    trials = [
        {"name": f"trial-{n}", "status": "finished", "parameters": {"train.seed": f"2024010{n}"},
         "best_valid_loss": 0.123456789, "best_epoch": 100_000 + n}
        for n in (1, 2)
    ]  # fmt: skip
    assert [line.split() for line in text_table(trials, "best_valid_loss")[1:]] == [
        [f"trial-{n}", f"2024010{n}", "0.12346", str(100_000 + n)] for n in (1, 2)
    ]
