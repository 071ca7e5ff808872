"""The commands of `ddp-mlp data`, as a user calls them."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from ddp_mlp.cli.commands import data as data_commands
from ddp_mlp.cli.commands.data import data
from ddp_mlp.data.importing import MAKERS
from ddp_mlp.errors import DataError, OutputError, UsageError

if TYPE_CHECKING:
    from pathlib import Path


def run(*args: str | Path) -> str:
    result = CliRunner().invoke(data, [str(a) for a in args], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_make_and_inspect(tmp_path: Path) -> None:
    out = tmp_path / "s.h5"
    assert "multiclass, 2 features, 3 classes; train 30, test 7" in run(
        "make", "spirals", "--out", out, "--samples", 30
    )
    text = run("inspect", out)
    assert "class balance: 0 10, 1 10, 2 10" in text
    report = json.loads(run("inspect", out, "--json"))
    assert report["task"] == "multiclass"
    assert report["splits"]["train"]["n_samples"] == 30
    assert report["splits"]["train"]["class_counts"] == [10, 10, 10]
    assert report["problem"] is None


def test_import_a_table(tmp_path: Path) -> None:
    path, out = tmp_path / "t.csv", tmp_path / "t.h5"
    path.write_text("id,a,y\n" + "".join(f"n{i},{i},{i}.5\n" for i in range(10)))
    args = (
        "import",
        path,
        "--out",
        out,
        "--target",
        "y",
        "--drop",
        "id",
        "--test-fraction",
        "0.2",
        "--compress",
    )
    assert "regression, 1 feature, 1 target; train 8, test 2" in run(*args)
    with pytest.raises(OutputError, match="--force"):
        run(*args)
    run(*args, "--force")
    with h5py.File(out) as file:
        assert file["train/features"].compression == "gzip"


def test_mistakes_are_errors_of_this_program(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean sine"):
        run("make", "sin", "--out", tmp_path / "x.h5")
    assert CliRunner().invoke(data, ["make", "sine"]).exit_code == 2
    assert CliRunner().invoke(data, ["import", "--out", "x.h5"]).exit_code == 2
    assert CliRunner().invoke(data, ["import", "a.csv", "--out", "x.h5", "--task", "magic"]).exit_code == 2


def test_where_the_output_may_lead(tmp_path: Path) -> None:
    """Wherever its user's link leads; nothing waits for a pipe, and nothing takes its place."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "link.h5").symlink_to("disk/made.h5")
    for force in ([], ["--force"]):
        run("make", "xor", "--out", tmp_path / "link.h5", *force)
        assert (tmp_path / "link.h5").is_symlink()
        assert [path.name for path in (tmp_path / "disk").iterdir()] == ["made.h5"]
    with pytest.raises(OutputError, match="--force"):
        run("make", "xor", "--out", tmp_path / "link.h5")
    os.mkfifo(tmp_path / "pipe.h5")
    with pytest.raises(OutputError, match="a named pipe; give the name of a file"):
        run("make", "xor", "--out", tmp_path / "pipe.h5", "--force")
    assert (tmp_path / "pipe.h5").is_fifo()


def test_inspect_prints_what_it_can_and_then_fails(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    with h5py.File(path, "w") as file:
        file["spectra"] = np.ones((3, 2))
        file["kinds"] = np.arange(3)
    for options in ((), ("--json",)):
        result = CliRunner().invoke(data, ["inspect", str(path), *options])
        assert isinstance(result.exception, DataError)
        assert "/spectra" in result.stdout
    assert "--features PATH" in json.loads(result.stdout)["problem"]
    assert "3 outputs" in run("inspect", path, "--features", "spectra", "--targets", "kinds")


def test_inspect_counts_non_finite_values(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    with h5py.File(path, "w") as file:
        file["X"] = np.array([[1.0], [np.nan]])
        file["y"] = np.array([0.5, np.inf])
    report = json.loads(run("inspect", path, "--json"))["splits"]["train"]
    assert (report["non_finite_features"], report["non_finite_targets"]) == (1, 1)


def test_the_help_names_every_data_set() -> None:
    assert sorted(data_commands._NAMES.split(", ")) == sorted(MAKERS)
    text = run("make", "--help")
    assert all(name in text for name in MAKERS)


def test_decisions_are_told_and_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    path, out = tmp_path / "t.csv", tmp_path / "t.h5"
    path.write_text(
        "id;a;t;k;y\n" + "".join(f"{i};{i},5;{1 + i % 28}.1.2024;{'uv'[i % 2]};{i},25\n" for i in range(30))
    )
    args = ["import", str(path), "--target", "y", "--dry-run"]
    result = CliRunner().invoke(data, args, catch_exceptions=False)
    assert result.stdout == "dry run: regression, 8 features, 1 target; train 30 samples\n"
    for told in ("regression: ", "'id' counts the rows and is left out", "decimal commas", "dates (%d.%m.%Y)"):
        assert told in result.stderr
    assert list(tmp_path.iterdir()) == [path]
    run("import", path, "--target", "k", "--id", "id", "--out", out)
    other = tmp_path / "o.csv"
    other.write_text("k,t,y,a\nu,2024-01-02,1.5,2\n,2024-01-02,1.5,2\n")
    assert "binary, 7 features, 2 classes; train 1 samples" in run(
        "import", other, "--like", out, "--out", out, "--force"
    )
    other.write_text("k,t,y,a\nw,2024-01-02,1.5,2\n")
    with pytest.raises(DataError, match=r"1 unknown class: 'w' \(1\)"):
        run("import", other, "--like", out, "--out", tmp_path / "p.h5")
    assert CliRunner().invoke(data, ["import", str(path), "--target", "y"]).exit_code == 2
