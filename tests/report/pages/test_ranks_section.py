"""Ranks in a page: who computes, who waits for whom; and nothing where a file tells nonsense."""

from __future__ import annotations

import pytest

from ddp_mlp.report.pages.page import page_of
from ddp_mlp.report.pages.ranks_section import rank_times, straggling
from ddp_mlp.report.records.record import read_record
from tests.report.made import make_run
from tests.report.pages.test_page import check


def ranks(computing, waiting):
    still = [0.0] * len(computing)
    return {"compute_s": computing, "communicate_s": still, "data_s": still, "wait_s": waiting, "other_s": still}


def test_the_rank_that_others_wait_for_is_named():
    slow = rank_times({"ranks": ranks([10.0, 10.0, 15.0, 10.0], [5.0, 5.0, 0.0, 5.0])})
    assert straggling(slow).startswith("Rank 2 computed up to 1.5 times as long as the median of 10 s")
    assert straggling(rank_times({"ranks": ranks([10.0, 10.1], [0.1, 0.0])})).startswith("No rank kept")
    busy = straggling(rank_times({"ranks": ranks([1.3, 1.1], [7.2, 7.4])}))  # beside programs that take the cores
    assert busy.startswith("No rank kept")
    assert "All of them waited, for 86 % of all time" in busy
    for short in (0.0, 1.9):
        assert "too short" in straggling(rank_times({"ranks": ranks([0.0, short], [short, 0.0])}))
    assert "waited for it: 100 %" in straggling(rank_times({"ranks": ranks([0.0, 0.0, 0.001], [9.0, 9.0, 0.0])}))


def test_a_page_has_a_bar_for_each_rank_and_few_of_many(tmp_path):
    page = check(page_of([read_record(make_run(tmp_path / "a", ranks=ranks([3.0, 2.0], [0.0, 1.0])))]))
    for part in ("Seconds of each rank", "rank 1: wait 1 s", "Rank 0 computed"):
        assert part in page.text, part
    many = [1.0 + i / 1000 for i in range(1000)]
    page = check(page_of([read_record(make_run(tmp_path / "b", ranks=ranks(many, many)))]))
    assert "Of 1000 ranks, those are drawn that compute longest" in page.text
    assert "rank 999: compute" in page.text
    assert "rank 3: compute" not in page.text


@pytest.mark.parametrize(
    "given", [None, 5, {}, {"compute_s": [1]}, ranks([1, 2], [1]), ranks(["x"], [1]),
              ranks([-1], [1]), ranks([True], [1]), ranks([float("inf")], [1]), ranks([], [])],
)  # fmt: skip
def test_nonsense_is_left_out(tmp_path, given):
    assert rank_times({"ranks": given}) == []
    assert "Seconds of each rank" not in check(page_of([read_record(make_run(tmp_path / "a", ranks=given))])).text
