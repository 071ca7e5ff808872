"""``ddp-mlp runs``: every run below a directory on one line, in the order that is asked for."""

from __future__ import annotations

import pytest

from ddp_mlp.cli.commands.runs import _SORTS
from ddp_mlp.errors import MissingInputError
from ddp_mlp.report.records.listing import SORTS, find_runs, listing_of, sorted_by
from tests.report.made import make_run
from tests.runs import ddp_mlp


@pytest.fixture
def folder(tmp_path):
    make_run(tmp_path / "runs/b", 20, done=5, state="running", updated_utc="2026-01-02T03:04:05+00:00")
    make_run(tmp_path / "runs/a", 20, rate=0.1, updated_utc="2026-01-01T03:04:05+00:00")
    make_run(tmp_path / "runs/study/trial-001", 3, state="failed", exit_code=79)
    make_run(tmp_path / "runs/none", 20, done=0, state="running")
    (tmp_path / "runs/a/checkpoints").mkdir()
    (tmp_path / "runs/loop").symlink_to(tmp_path / "runs")
    return tmp_path


def test_runs_are_found_at_every_depth_and_not_through_links(folder):
    found = [str(path.relative_to(folder)) for path in find_runs(folder / "runs")]
    assert found == ["runs/a", "runs/b", "runs/none", "runs/study/trial-001"]
    assert find_runs(folder / "runs/a") == [folder / "runs/a"]
    with pytest.raises(MissingInputError):
        find_runs(folder / "nowhere")


def test_lines_tell_scores_of_the_best_epoch_and_what_differs(folder):
    a, b, none, trial = listing_of(folder / "runs")
    assert (a["run"], a["state"], a["epochs"], a["of_epochs"], a["best_epoch"]) == ("a", "finished", 20, 20, 7)
    assert a["valid_loss"] == pytest.approx(1 / 7 + 0.01)
    assert a["differs"] == {"optimizer.learning_rate": 0.1, "train.epochs": 20}
    assert (b["epochs"], b["state"]) == (5, "running")
    assert "valid_loss" not in none
    assert trial["run"] == "study/trial-001"


def test_the_best_comes_first_and_what_has_no_score_last(folder):
    lines = listing_of(folder / "runs")

    def order(key: str) -> list[str]:
        return [line["run"] for line in sorted_by(lines, key)]

    assert order("loss") == order("accuracy") == ["a", "b", "study/trial-001", "none"]
    assert order("when")[:2] == ["b", "a"]
    assert order("epochs")[:2] == ["a", "b"]
    assert order("name") == ["a", "b", "none", "study/trial-001"]
    for key in SORTS:
        assert len(order(key)) == 4
    assert _SORTS == SORTS


def test_the_command_prints_a_table_or_json(folder):
    done = ddp_mlp("runs", "--sort", "loss", cwd=folder)
    lines = done.out.splitlines()
    assert lines[0].split() == ["run", "state", "epochs", "valid_loss", "valid_accuracy", "when", "differs"]
    assert lines[1].split()[:4] == ["a", "finished", "20/20", "0.152857"]
    assert lines[1].endswith("2026-01-01 03:04  optimizer.learning_rate=0.1 train.epochs=20")
    assert ddp_mlp("runs", "runs", "--json", cwd=folder).result["runs"][0]["run"] == "a"
    (folder / "empty").mkdir()
    assert "no runs below empty" in ddp_mlp("runs", "empty", cwd=folder).err
    assert ddp_mlp("runs", "nowhere", cwd=folder).code == 66
    assert ddp_mlp("runs", "--sort", "taste", cwd=folder).code == 2


def test_the_settings_in_a_table_of_runs_can_be_set_again(tmp_path):
    for seed, rate in ((20240101, 0.9999995), (20240102, 0.0031622776601683794)):
        config = make_run(tmp_path / "runs" / str(seed), 3, rate=rate) / "config.toml"
        more = f"seed = {seed}\nshuffle = {str(seed % 2 == 0).lower()}"
        config.write_text(config.read_text().replace("seed = 0", more))
    lines = ddp_mlp("runs", cwd=tmp_path).out.splitlines()
    assert lines[1].endswith("optimizer.learning_rate=0.9999995 train.seed=20240101 train.shuffle=false")
    assert lines[2].endswith("optimizer.learning_rate=0.00316228 train.seed=20240102 train.shuffle=true")
