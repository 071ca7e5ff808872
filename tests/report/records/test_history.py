"""Numbers of the epochs: the best one, epochs of steps, and curves that keep their peaks when thinned."""

from __future__ import annotations

import numpy as np
import pytest

from ddp_mlp.report.records.history import History, read_history, shown_positions
from tests.report.made import make_run


def history(**columns: list[float]) -> History:
    return History({name: np.array(values, float) for name, values in columns.items()})


def test_the_best_epoch_is_the_first_with_the_lowest_watched_loss():
    nan = float("nan")
    found = history(epoch=[1, 2, 3, 4], train_loss=[4, 3, 2, 1], valid_loss=[3, 1, 1, 2])
    assert (found.watched, found.best) == ("valid_loss", 1)
    assert history(epoch=[1, 2], train_loss=[2, 1], valid_loss=[nan, nan]).best == 1
    assert history(epoch=[1, 2], train_loss=[nan, nan]).best is None
    assert history(epoch=[1, 2], train_loss=[nan, 5]).best == 1
    assert history().best is None
    assert history().at("train_loss", -1) is None


def test_a_step_lies_within_its_epoch():
    found = history(epoch=[1, 2, 3], step=[10, 20, 30])
    assert [found.epoch_of(step) for step in (0, 5, 10, 25, 30, 35)] == [0, 0.5, 1, 2.5, 3, 3.5]
    assert history(epoch=[1], step=[10]).epoch_of(15) == 1.5
    assert history().epoch_of(7) == 0


def test_cells_that_are_no_numbers_leave_gaps(tmp_path):
    (tmp_path / "metrics.csv").write_text(
        "epoch,step,train_loss\n1,1,0.5\n2,2,nan\n3,3,\n4,4,word\n5,5,inf\nx\n6,6,0.1"
    )
    remarks: list[str] = []
    found = read_history(tmp_path / "metrics.csv", remarks)
    assert found.epochs.tolist() == [1, 2, 3, 4, 5]  # the last row is not whole yet
    assert found.best == 0
    assert remarks == []


@pytest.mark.parametrize("n_rows", [1, 2, 10, 999, 10_000])
def test_thinned_curves_keep_first_last_and_every_peak(n_rows):
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=n_rows), rng.normal(size=n_rows)
    one[n_rows // 3], other[n_rows // 2] = 100, np.nan
    kept = shown_positions([one, other], 100)
    assert kept.tolist() == sorted(set(kept.tolist()))
    assert {0, n_rows // 3, n_rows - 1} <= set(kept.tolist())
    assert len(kept) <= 402
    for part in np.array_split(np.arange(n_rows), 100) if n_rows > 200 else []:
        within = kept[(kept >= part[0]) & (kept <= part[-1])]
        assert one[within].min() == one[part].min()
        assert np.nanmax(other[within]) == np.nanmax(other[part])


def test_a_run_of_the_fixture_has_its_best_epoch(tmp_path):
    found = read_history(make_run(tmp_path / "a") / "metrics.csv", [])
    assert found.at("valid_loss", found.best) == min(found.columns["valid_loss"])
