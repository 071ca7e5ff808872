"""One rule for the task, whatever the format."""

from __future__ import annotations

import numpy as np
import pytest

from ddp_mlp.data.tasks import guess_task


@pytest.mark.parametrize(
    ("values", "n_rows", "whole", "task"),
    [
        ([0, 1], 2, True, "binary"),
        ([0, 1], 100, False, "binary"),
        ([0, 1], 3, False, "regression"),
        ([-1, 1], 100, True, "binary"),
        ([1, 2, 3], 3, True, "multiclass"),
        ([1, 2, 3], 30, False, "multiclass"),
        ([0, 1, 2, 255], 600, True, "multiclass"),
        (list(range(100)), 1000, True, "multiclass"),
        (list(range(100)), 1000, False, "regression"),
        (list(range(0, 200, 2)), 100_000, True, "regression"),
        (list(range(500)), 600, True, "regression"),
        ([5], 10, True, "binary"),
    ],
)
def test_few_or_gapless_whole_numbers_are_labels(values: list[int], n_rows: int, whole: bool, task: str) -> None:
    guess = guess_task(np.array(values, np.float64), n_rows, stored_whole=whole)
    assert guess.task == task
    assert guess.reason
    assert (guess.values is None) == (task == "regression")


def test_other_numbers_are_quantities() -> None:
    assert guess_task(None, 100, stored_whole=True).task == "regression"
