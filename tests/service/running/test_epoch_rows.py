"""Rows of tables of any length: bounded answers that miss nothing, or stand for all."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from ddp_mlp.service.running import epoch_rows
from ddp_mlp.service.running.epoch_rows import rows_of_all, rows_since

HEADER = "epoch,step,train_loss\n"


def write(folder: Path, n: int) -> Path:
    path = folder / "metrics.csv"
    path.write_text(HEADER + "".join(f"{i},{10 * i},{1 / i:.17g}\n" for i in range(1, n + 1)))
    return path


def test_pages_follow_each_other_without_a_gap(tmp_path: Path):
    path, found, more = write(tmp_path, 1000), [], True
    while more:
        columns, rows, more = rows_since(path, int(found[-1][0] or 0) if found else 0, 300)
        assert columns == ["epoch", "step", "train_loss"]
        assert len(rows) <= 300
        found += rows
    assert [row[0] for row in found] == list(range(1, 1001))
    assert rows_since(path, 1000) == (columns, [], False)
    assert rows_since(path, 998, 2) == (columns, found[-2:], False)
    assert rows_since(path, 0, 0) == (columns, [], True)


@pytest.mark.parametrize("whole", [2**22, 1000], ids=["read", "sampled"])
def test_rows_that_stand_for_all_are_in_order_and_have_the_last(
    tmp_path: Path, whole: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(epoch_rows, "_WHOLE", whole)
    path = write(tmp_path, 5000)
    for most in (1, 2, 7, 500, 4999, 5000, 9000):
        epochs = [int(row[0] or 0) for row in rows_of_all(path, most)[1]]
        assert len(epochs) <= most
        assert len(epochs) > 0.45 * min(most, 5000)  # of places within one line, one counts
        assert epochs == sorted(set(epochs))
        assert epochs[-1] == 5000
        gaps = [after - before for before, after in pairwise(epochs)]
        assert max(gaps, default=0) <= 2 * 5000 / most + 5


def test_what_is_no_row_is_passed_over(tmp_path: Path):
    path = tmp_path / "metrics.csv"
    for last in ("nonsense\n", "3,30\n", "3,30,0.1", "x" * 200_000):
        path.write_text(f"{HEADER}1,10,0.5\n{last}")
        assert rows_since(path, 0)[1] == [[1, 10, 0.5]]
        assert rows_of_all(path)[1] == [[1, 10, 0.5]]
    path.unlink()
    assert rows_since(path, 0) == ([], [], False)
    path.symlink_to("/etc/passwd")
    assert rows_since(path, 0) == ([], [], False)
    assert rows_of_all(path) == ([], [])
