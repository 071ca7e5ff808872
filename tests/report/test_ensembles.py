"""The report of an ensemble: its members, its spread, and how far that can be trusted."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.runs import ddp_mlp


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    quantities = np.column_stack([x[:, 0] * 10, x[:, 1] + x[:, 2]])
    for name, y in (("r", quantities), ("c", (x[:, 1] > 0).astype(int))):
        with h5py.File(path / f"{name}.h5", "w") as file:
            file["train/features"], file["train/targets"] = x, y
        text = f'[data]\ntrain = "{name}.h5"\n[model]\nhidden = [5]\n[train]\nepochs = 3\n'
        (path / f"{name}.toml").write_text(text)
        done = ddp_mlp("ensemble", f"{name}.toml", "--members", "3", "--out", name, cwd=path)
        assert done.code == 0, done.err
    return path


def page(folder: Path, *arguments: str) -> str:
    done = ddp_mlp("report", *arguments, "--out", "page.html", cwd=folder)
    assert done.code == 0, done.err
    return (folder / "page.html").read_text()


def test_the_page_shows_members_mean_and_spread(folder: Path) -> None:
    found = page(folder, "r")
    for words in (
        "<h2>Ensemble</h2>", "3 members, 30 rows, validation", "Answers within the spread", "Spread of target0",
        "Error of target1", "The spread of each target", "mean of the members", "<h2>Answers</h2>", "member-3",
        "Residuals of target0", "<h2>Data</h2>",
    ):  # fmt: skip
        assert words in found, words
    found = page(folder, "c")
    for words in ("Entropy of right", "Right answers by who disagrees", "members that disagree", "Calibration", "ROC"):
        assert words in found, words


def test_rows_that_a_user_names_are_answered_together_and_by_each(folder: Path) -> None:
    found = page(folder, "r", "--data", "r.h5")
    assert "3 members, 300 rows, train" in found
    assert found.count("<h2>Answers</h2>") == 4


def test_figures_have_those_of_the_spread(folder: Path) -> None:
    done = ddp_mlp("report", "r", "--figures", "figures", cwd=folder)
    assert done.code == 0, done.err
    names = {path.name for path in (folder / "figures").iterdir()}
    assert {"answers-within-the-spread.svg", "spread-of-target0.pdf", "residuals-of-target1.svg"} <= names


def test_an_ensemble_that_is_not_whole_says_so_and_shows_its_members(folder: Path) -> None:
    told = json.loads((folder / "c" / "ensemble.json").read_text())
    whole = json.dumps(told)
    told["members"][1] |= {"sha256": "", "status": "stopped"}
    (folder / "c" / "ensemble.json").write_text(json.dumps(told))
    found = page(folder, "c")
    (folder / "c" / "ensemble.json").write_text(whole)
    assert "2 of 3 members are done" in found
    assert "<h2>Ensemble</h2>" not in found
    assert "member-3" in found


def test_runs_lists_the_members(folder: Path) -> None:
    found = ddp_mlp("runs", "c", "--json", cwd=folder).result["runs"]
    assert [line["run"] for line in found] == ["member-1", "member-2", "member-3"]
    assert [line["differs"] for line in found] == [{"train.seed": seed} for seed in range(3)]
