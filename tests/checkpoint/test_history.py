"""The history of a run: in its tables, known to its checkpoints, and what a resume makes of it."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ddp_mlp.checkpoint.checkpoint import checkpoint_name, list_checkpoints, load_checkpoint
from ddp_mlp.errors import DataError, StorageError
from ddp_mlp.run.comparison import compare_runs
from ddp_mlp.run.files import epoch_table
from tests.checkpoint.test_checkpoint import as_format_1
from tests.runs import MOONS, prepare
from tests.runs import train_here as train

CONFIG = f"""{MOONS}learning_rate = 0.05
[schedule]
name = "plateau"
patience = 1
factor = 0.5
[train]
epochs = 12
early_stopping_patience = 0
global_batch_size = 16
micro_batches = 2
on_nonfinite = "skip"
[checkpoint]
keep = 3
"""
PER_EPOCH = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = prepare(tmp_path_factory.mktemp("history"), CONFIG, "moons", 80, seed=1)
    train(path, "whole")
    train(path, "part", "train.epochs=7")
    return path


@pytest.fixture
def part(folder: Path, tmp_path: Path) -> Path:
    """A run of 7 epochs of its own."""
    return Path(shutil.copytree(folder / "part", tmp_path / "part"))


def rows(run: Path, name: str = "metrics.csv") -> list[dict[str, str]]:
    """Return rows without what was measured."""
    with (run / name).open(newline="") as file:
        return [{k: v for k, v in row.items() if not k.endswith("_s")} for row in csv.DictReader(file, strict=True)]


def resume(folder: Path, run: Path, *overrides: str) -> tuple[dict[str, object], list[str]]:
    told: list[str] = []
    summary = train(folder, str(run), *overrides, resume=True, told=told)
    return summary, [line for line in told if line.startswith("warning")]


SPOILED: dict[str, Callable[[bytes], bytes]] = {
    "cut in the last row": lambda whole: whole[:-5],
    "without its last end of line": lambda whole: whole[:-1],
    "cut after a byte": lambda whole: whole[:1],
    "empty": lambda whole: b"",
    "of another program": lambda whole: b"a;b\n1;2\n",
    "with bytes that are no text": lambda whole: whole[:200] + b"\xff\x00\xfe\n" + whole[200:],
    "with a huge cell": lambda whole: whole + b"8," + b"9" * 200_000 + b"\n",
    "with other ends of lines": lambda whole: whole.replace(b"\n", b"\r\n"),
}


@pytest.mark.parametrize("case", SPOILED)
def test_no_table_stops_a_good_run(folder: Path, part: Path, case: str) -> None:
    """Whatever became of both tables: two resumes go on to the same bits, with whole rows only."""
    for name in ("metrics.csv", "hashes.csv"):
        (part / name).write_bytes(SPOILED[case]((part / name).read_bytes()))
    summary, warnings = resume(folder, part, "train.epochs=9")
    assert summary["epochs"] == 9
    assert len([line for line in warnings if "metrics.csv" in line]) <= 1
    assert len([line for line in warnings if "hashes.csv" in line]) <= 1
    summary, _ = resume(folder, part)
    assert summary["weights_sha256"] == json.loads((folder / "whole" / "status.json").read_text())["weights_sha256"]
    whole = rows(folder / "whole")
    assert [row for row in rows(part) if row in whole] == rows(part)
    assert rows(part)[-6:] == whole[-6:]
    if "last" in case or "ends of lines" in case:
        assert rows(part) == whole
        assert warnings == []


def test_lost_rows_are_said_once_a_start_and_not_compared(folder: Path, part: Path) -> None:
    table = part / "hashes.csv"
    table.write_bytes(b"".join(table.read_bytes().splitlines(keepends=True)[:4]))
    (part / "metrics.csv").unlink()
    _, warnings = resume(folder, part)
    assert [line.split()[1].split("/")[-1] for line in warnings] == ["metrics.csv", "hashes.csv"]
    assert all(" lacks " in line and " of the rows of 7 epochs; the run goes on" in line for line in warnings)
    result = compare_runs(folder / "whole", part)
    lost = sorted(set(range(1, 13)) - {int(row["epoch"]) for row in rows(part, "hashes.csv")})
    assert (result["same_bits"], result["not_comparable"]) == (True, lost)
    assert lost
    assert set(lost) <= {4, 5, 6, 7}


def test_a_run_that_lacks_hashes_is_not_called_another_one(folder: Path, part: Path, tmp_path: Path) -> None:
    """Rows are cut in the middle of a hash, and missing at the end."""
    run = Path(shutil.copytree(folder / "whole", tmp_path / "run"))
    content = (run / "hashes.csv").read_bytes()
    for size in (len(content) * 2 // 3, len(content) - 4, 30):
        (run / "hashes.csv").write_bytes(content[:size])
        result = compare_runs(run, folder / "whole")
        assert result["same_bits"]
        assert result["first_difference"] is None
        assert result["not_comparable"][-1] == 12
    assert compare_runs(part, folder / "whole")["same_bits"] is False
    (run / "hashes.csv").write_text("epoch,what\n1,2\n")
    with pytest.raises(DataError, match="not a table of hashes"):
        compare_runs(run, folder / "whole")


def test_rows_that_a_full_disk_refused_come_with_the_checkpoint(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is room for checkpoints but not for tables: the run ends with an error, and a resume completes them."""
    run = tmp_path / "run"

    def full(path: Path) -> object:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr(epoch_table, "_open", full)
        with pytest.raises(StorageError, match="No space left on device"):
            train(folder, str(run))
    assert not (run / "metrics.csv").exists()
    assert [int(path.stem[5:]) for path in list_checkpoints(run / "checkpoints")] == [48, 44, 40]
    assert len(load_checkpoint(run / "checkpoints" / checkpoint_name(48)).metrics) == 12
    _, warnings = resume(folder, run)
    assert warnings == []
    assert rows(run) == rows(folder / "whole")
    assert rows(run, "hashes.csv") == rows(folder / "whole", "hashes.csv")
    assert compare_runs(run, folder / "whole")["same_bits"]


def test_a_checkpoint_does_not_grow_with_the_history(folder: Path) -> None:
    sizes = set()
    for epochs in (20, 400):
        train(folder, f"long-{epochs}", f"train.epochs={epochs}")
        path = list_checkpoints(folder / f"long-{epochs}" / "checkpoints")[0]
        sizes.add(path.stat().st_size)
        assert load_checkpoint(path).metrics == ()
        assert len(rows(folder / f"long-{epochs}")) == epochs
    assert max(sizes) - min(sizes) < 1000, "the best weights, if they are others, and digits of larger numbers"


def test_a_checkpoint_of_format_1_goes_on_to_the_same_bits(folder: Path, part: Path) -> None:
    """It carries the whole history, so that tables which are lost come again."""
    with (part / "metrics.csv").open(newline="") as file:
        read = list(csv.DictReader(file))
    history = [{k: int(v) if v.isdigit() else float(v) for k, v in row.items()} for row in read]
    for path in list_checkpoints(part / "checkpoints"):
        checkpoint = load_checkpoint(path)
        path.write_bytes(as_format_1(checkpoint, history[: checkpoint.state.progress.epoch]))
    (part / "metrics.csv").unlink()
    summary, warnings = resume(folder, part)
    whole = json.loads((folder / "whole" / "status.json").read_text())
    timed = {"wall_s", "samples_per_s", "run_dir"}
    assert {k: v for k, v in summary.items() if k not in timed} == {k: whole[k] for k in summary if k not in timed}
    assert warnings == []
    assert rows(part) == rows(folder / "whole")


def test_a_renamed_checkpoint_is_what_it_says_inside(folder: Path, part: Path) -> None:
    """One of an earlier step under a later name does not take the run back, nor keep the new ones from staying."""
    checkpoints = part / "checkpoints"
    oldest = list_checkpoints(checkpoints)[-1]
    oldest.rename(checkpoints / checkpoint_name(9999))
    summary, warnings = resume(folder, part, "checkpoint.keep=1")
    assert "step-00009999.h5: holds step 20, whatever its name says" in warnings[0]
    assert summary["epochs"] == 12
    assert [path.name for path in list_checkpoints(checkpoints)] == [checkpoint_name(9999), checkpoint_name(48)]
    (checkpoints / checkpoint_name(48)).unlink()
    told: list[str] = []
    train(folder, str(part), resume=True, told=told)
    assert "going on from step-00009999.h5, of step 20" in told
    assert rows(part) == rows(folder / "whole")


RULES: dict[str, tuple[list[str], str, str]] = {
    "fewer epochs": (["train.epochs=5"], "after epoch 5 (finished), but 12 epochs are done", "finished"),
    "a target that was reached": (
        ["train.target_loss=0.6"],
        "(target-reached), but 12 epochs are done",
        "target-reached",
    ),
    "both": (["train.target_loss=0.6", "train.epochs=1"], "after epoch 1 (", "target-reached"),
}


@pytest.mark.parametrize("case", RULES)
def test_rules_that_come_too_late_are_said(folder: Path, tmp_path: Path, case: str) -> None:
    rules, phrase, status = RULES[case]
    run = Path(shutil.copytree(folder / "whole", tmp_path / "run"))
    summary, warnings = resume(folder, run, *rules)
    assert len(warnings) == 1
    assert phrase in warnings[0]
    assert "the result is that of all of them" in warnings[0]
    assert (summary["status"], summary["epochs"]) == (status, 12)
    assert summary["train_loss"] == float(rows(run)[-1]["train_loss"])


def test_a_target_that_was_reached_and_lost_again(folder: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(folder / "whole", tmp_path / "run"))
    table = (run / "metrics.csv").read_text().splitlines()
    at = table[0].split(",").index("train_loss")
    cells = table[4].split(",")
    cells[at] = "0.0001"
    table[4] = ",".join(cells)
    (run / "metrics.csv").write_text("\n".join(table) + "\n")
    _, warnings = resume(folder, run, "train.target_loss=0.001", "train.epochs=13")
    assert "other numbers than the run had come to" in warnings[0]
    assert "after epoch 4 (target-reached), but 12 epochs are done and stay so: training goes on" in warnings[1]


def test_rules_that_are_in_time_are_not_said(folder: Path, part: Path) -> None:
    assert resume(folder, part, "train.epochs=7")[1] == []
    assert resume(folder, part, "train.epochs=9", "train.early_stopping_patience=50")[1] == []


def test_more_patience_than_the_run_would_have_had(folder: Path, tmp_path: Path) -> None:
    """An epoch without improvement would have ended it: said, and the best of all epochs is the result."""
    train(folder, str(tmp_path / "run"), "train.epochs=60")
    losses = [float(row["valid_loss"]) for row in rows(tmp_path / "run")]
    ends = next(k for k in range(1, 60) if losses[k] >= min(losses[:k])) + 1
    summary, warnings = resume(folder, tmp_path / "run", "train.epochs=60", "train.early_stopping_patience=1")
    assert any(f"after epoch {ends} (early-stopped), but 60 epochs are done" in line for line in warnings)
    assert summary["best_epoch"] == 1 + losses.index(min(losses))
    assert summary["valid_loss"] == min(losses)
