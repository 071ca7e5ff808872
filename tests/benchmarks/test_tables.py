"""Verdicts on tables: which differences of scores count."""

from __future__ import annotations

import pytest

from benchmarks.tables import Scores, table_of

THEIRS = [0.90, 0.92, 0.91, 0.93, 0.90]


def scores(ours, theirs=THEIRS, *, is_regression=False):
    return Scores("t", 9, 2, is_regression, ours, theirs, (0.1, 0.2), 5.0)


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [
        (THEIRS, "as good or better"),
        ([0.92, 0.94, 0.92, 0.95, 0.91], "as good or better"),
        ([0.88, 0.90, 0.90, 0.91, 0.89], "worse"),
        ([0.88, 0.93, 0.87, 0.94, 0.91], "not worse"),
        ([score - 0.01 for score in THEIRS], "worse"),
        ([0.95, 0.95, None, 0.95, 0.95], "diverges"),
    ],
)
def test_a_table_is_worse_where_the_losses_are_no_chance(ours, verdict):
    assert scores(ours).verdict == verdict


def test_a_greater_error_is_a_loss():
    assert scores([0.88, 0.90, 0.90, 0.91, 0.89], is_regression=True).verdict == "as good or better"


def test_the_counts_are_below_the_table():
    text = table_of([scores(THEIRS), scores([0.95, None, 0.95, 0.95, 0.95])])
    assert text.endswith("2 tables: 1 as good or better in the mean, 1 not worse, 0 worse, 1 diverge")
