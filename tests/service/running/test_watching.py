"""Looks into run directories: rows are told once, whole, and a table that is cut back is read anew."""

from __future__ import annotations

from pathlib import Path

from ddp_mlp.service.running import watching
from ddp_mlp.service.running.watching import SPARKS, Watch, row_of, sparkline

HEADER = "epoch,step,train_loss,valid_loss\n"


def lines(first: int, last: int) -> str:
    return "".join(f"{n},{n * 10},{1 / n},{2 / n}\n" for n in range(first, last + 1))


def test_each_row_is_told_once(tmp_path: Path):
    table, watch = tmp_path / "metrics.csv", Watch(tmp_path, 10)
    assert watch.look() is None
    table.write_text(HEADER + lines(1, 2) + "3,30,0.")  # a row that is being written
    assert [row["epoch"] for row in watch.look() or ()] == [1, 2]
    assert watch.look() is None
    table.write_text(HEADER + lines(1, 4))
    assert [row["epoch"] for row in watch.look() or ()] == [3, 4]
    assert watch.best == {"metric": "valid_loss", "value": 0.5, "epoch": 4}
    assert watch.summary(None)["latest"] == {"train_loss": 0.25, "valid_loss": 0.5}
    table.write_text(HEADER + lines(1, 1))  # cut to a checkpoint
    assert [row["epoch"] for row in watch.look() or ()] == [1]
    assert watch.losses == [2.0]


def test_a_long_table_is_read_to_its_end_at_once(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(watching, "_MOST_BYTES", 100)
    (tmp_path / "metrics.csv").write_text(HEADER + lines(1, 500))
    watch = Watch(tmp_path, 500)
    assert len(watch.look() or ()) == 500
    assert watch.latest["epoch"] == 500
    assert len(watch.summary(None)["sparkline"]) == SPARKS


def test_what_is_no_row_is_passed_over(tmp_path: Path):
    columns = HEADER.strip().split(",")
    for line in ("", "x,1,2,3", "1,2", "1,2,3,4,5", "-1,2,3,4", "\x00" * 9):
        assert row_of(columns, line) is None
    assert row_of(columns, "1,2,nan,inf") == {"epoch": 1, "step": 2, "train_loss": None, "valid_loss": None}
    (tmp_path / "metrics.csv").symlink_to("/etc/passwd")
    assert Watch(tmp_path).look() in (None, [])


def test_a_diverged_run_is_shown_up_to_there(tmp_path: Path):
    (tmp_path / "metrics.csv").write_text(HEADER + "1,10,0.5,0.5\n2,20,nan,nan\n")
    watch = Watch(tmp_path, 5)
    watch.look()
    assert watch.best == {"metric": "valid_loss", "value": 0.5, "epoch": 1}
    assert watch.summary(None)["latest"] == {"train_loss": None, "valid_loss": None}
    assert sparkline(watch.losses) == [0.5]


def test_the_best_of_a_run_on_all_rows_is_its_last_epoch_as_in_its_report(tmp_path: Path):
    config = tmp_path / "config.toml"
    config.write_text("[data]\nall_rows = true\n[train]\nearly_stopping_patience = 0\n")
    (tmp_path / "metrics.csv").write_text("epoch,step,train_loss\n1,10,0.25\n2,20,0.5\n")
    watch = Watch(tmp_path, 3)
    watch.look()
    assert watch.best == {"metric": "train_loss", "value": 0.5, "epoch": 2}
    config.write_text("[data]\nall_rows = true\n[train]\nearly_stopping_patience = 12\n")  # it goes on so
    with (tmp_path / "metrics.csv").open("a") as table:
        table.write("3,30,0.75\n")
    watch.look()
    assert watch.best == {"metric": "train_loss", "value": 0.25, "epoch": 1}
