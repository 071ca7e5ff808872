from __future__ import annotations

import pytest

from benchmarks.reporting import markdown
from benchmarks.targets import ADAM, DDP, EIGHT, IN_BFLOAT16, OURS, ratios, target_rows

LIMIT = {"S": 50.0}
SAMPLES = {
    OURS[0]: {"S": [110.0, 100.0, 90.0]},
    OURS[1]: {"S": [60.0]},
    EIGHT: {"S": [120.0]},
    f"{ADAM}adam": {"S": [110.0]},
    OURS[1] + IN_BFLOAT16: {"S": [45.0]},
    f"PyTorch autocast{IN_BFLOAT16}": {"S": [50.0]},
    DDP: {"S": [1800.0]},
    "PyTorch, 1 process x 1 thread": {"S": [600.0]},
    "scikit-learn": {"S": []},
}


def test_ratios_compare_our_best_layout_with_each_peer_and_the_limit():
    found = {label: {"S": sorted(row["S"])[len(row["S"]) // 2]} for label, row in SAMPLES.items() if row["S"]}
    assert ratios(found, LIMIT, "S", "momentum") == pytest.approx(
        {
            "times faster than PyTorch DDP": 30.0,
            "times faster than the fastest peer": 10.0,
            "step time / limit": 1.2,
            "8 micro-batches / 2, on 2 ranks": 1.2,
            "Adam / momentum, on 2 ranks": 1.1,
            "bfloat16 / float32": 0.75,
        }
    )


def test_a_target_is_reached_from_the_right_side():
    rows = dict(target_rows(SAMPLES, LIMIT, ["S"], "momentum"))
    assert rows["times faster than PyTorch DDP"] == "no 30.00 (>= 40)"
    assert rows["times faster than the fastest peer"] == "yes 10.00 (>= 2.5)"
    assert rows["step time / limit"] == "yes 1.20 (<= 1.7)"
    assert rows["8 micro-batches / 2, on 2 ranks"] == "no 1.20 (<= 1.1)"


def test_what_was_not_measured_has_no_verdict():
    alone = {label: row for label, row in SAMPLES.items() if label.startswith("ddp-mlp")}
    rows = dict(target_rows(alone, LIMIT, ["S"], "momentum"))
    assert rows["times faster than PyTorch DDP"] == rows["times faster than the fastest peer"] == "-"


def test_columns_of_a_table_are_aligned():
    assert markdown(["a", "b"], [["long", "1"], ["x", "22"]]).splitlines() == [
        "| a    |  b |",
        "|------|---:|",
        "| long |  1 |",
        "| x    | 22 |",
    ]
