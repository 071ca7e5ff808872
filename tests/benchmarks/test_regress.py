from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from benchmarks import regress
from benchmarks.regress import change, checked_out, row


def test_noise_around_one_is_no_change() -> None:
    noisy = [0.9, 1.1, 0.95, 1.08, 1.02, 0.97, 1.3, 0.99, 1.01]
    assert change(noisy).verdict(0.02) == ""


def test_a_shift_of_all_rounds_counts_and_an_outlier_does_not_hide_it() -> None:
    slower = [1.05, 1.06, 1.04, 1.05, 1.07, 1.05, 0.6, 1.06, 1.05]
    assert change(slower).verdict(0.02) == "SLOWER"
    assert change([1 / ratio for ratio in slower]).verdict(0.02) == "faster"


def test_what_is_sure_but_small_does_not_count() -> None:
    assert change([1.01] * 9).verdict(0.02) == ""


def test_six_rounds_must_all_agree() -> None:
    assert change([1.2] * 6).verdict(0.02) == "SLOWER"
    assert change([1.2] * 5 + [0.99]).verdict(0.02) == ""


def test_a_line_holds_both_times_and_the_ratio() -> None:
    assert row("S", [(100.0, 120.0)] * 7, 0.02) == ["S", "100", "120", "1.200 [1.200..1.200]", "SLOWER"]


def test_too_few_rounds_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        regress.main(["a", "b", "--rounds", "5"])
    assert "fewer than 6" in capsys.readouterr().err


def test_a_commit_is_checked_out_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*words: str) -> None:
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *who, *words], cwd=tmp_path / "here", check=True, capture_output=True)

    (tmp_path / "here").mkdir()
    git("init")
    (tmp_path / "here" / "file").write_text("first")
    git("add", "file")
    git("commit", "-m", "first")
    (tmp_path / "here" / "file").write_text("changed")
    monkeypatch.chdir(tmp_path / "here")
    with checked_out("HEAD", tmp_path / "there") as tree:
        assert (tree / "file").read_text() == "first"
    assert not (tmp_path / "there").exists()
    assert (tmp_path / "here" / "file").read_text() == "changed"
