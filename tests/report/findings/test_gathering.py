"""Answers, importance and health of every run whose data are there, wherever its rows came from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ddp_mlp
from ddp_mlp.report.findings import answers, gathering
from ddp_mlp.report.findings.gathering import Findings, findings_unasked
from ddp_mlp.report.records.record import read_record
from ddp_mlp.report.writing import write_report
from tests.report.pages.test_page import check
from tests.runs import ddp_mlp as run_program
from tests.training.test_meaning import X, Y, configured, train, write

_LABELS = (Y > 0).astype(np.int64)
_VALID = {"X_valid": X[:30] + 0.1, "y_valid": Y[:30]}
_HOLES = np.where(np.arange(X.size).reshape(X.shape) % 7 == 0, np.nan, X)


def found_of(folder: Path, data: str, keys: dict[str, Any]) -> tuple[Findings, Any]:
    train(configured(data, **keys), folder / "run")
    record = read_record(folder / "run")
    return findings_unasked(record), record


@pytest.mark.parametrize(
    ("arrays", "keys", "rows"),
    [
        ({"X": X, "y": Y, "X_test": X[:20], "y_test": Y[:20]}, {}, (108, 12, 20)),
        ({"X": X, "y": Y, **_VALID}, {}, (120, 30)),
        ({"X": X, "y": Y, **_VALID}, {"valid_fraction": 0.25}, (90, 30)),
        ({"X": X, "y": Y, **_VALID}, {"folds": 4, "fold": 2}, (90, 30)),
        ({"X": X, "y": Y}, {"valid_fraction": 0.0}, (120,)),
        ({"X": X, "y": Y, "X_test": X[:20], "y_test": Y[:20]}, {"valid_fraction": 0.0}, (120, 20)),
        ({"deep__a": X, "deep__b": Y}, {"features": "deep/a", "targets": "deep/b"}, (108, 12)),
        ({"X": X, "y": Y, "w": np.arange(len(X)) % 3 + 0.5}, {"weights": "w"}, (108, 12)),
        ({"X": _HOLES, "y": Y}, {"missing": "impute"}, (108, 12)),
        ({"X": _HOLES, "y": Y}, {"missing": "impute", "autoencode": True}, (108, 12)),
        ({"X": X, "y": _LABELS}, {"residency": "stream"}, (108, 12)),
        ({"X": X, "y": _LABELS}, {"task": "regression"}, (108, 12)),
    ],
)  # fmt: skip
def test_rows_of_every_origin_are_answered_as_in_training(tmp_path, arrays, keys, rows):
    found, record = found_of(tmp_path, write(tmp_path / "d.h5", **arrays), keys)
    assert found.reason == ""
    assert found.answers is not None
    assert found.importance is not None
    assert tuple(sample.n_rows for sample in found.samples) == rows
    assert found.samples[0].name == "train"
    sheet, history = found.answers, record.history  # 20 rows are for a test
    if len(rows) > 1 and rows[1] != 20:
        assert len(sheet.rows) == rows[1]
        assert sheet.metrics["loss"] == pytest.approx(history.at("valid_loss", history.best), rel=1e-9)
    else:
        assert "none validated" in sheet.where
    if sheet.schema.task == "regression":
        assert np.sqrt(np.mean((sheet.outputs - sheet.targets) ** 2)) == pytest.approx(sheet.metrics["rmse"], rel=1e-5)
    check(write_report([record.path]).read_text())


@pytest.mark.parametrize("keys", [{}, {"features": "a", "targets": "b"}, {"autoencode": True, "features": "a"}])
def test_rows_that_validated_may_be_in_a_file_of_their_own(tmp_path, keys):
    names = ("a", "b") if keys else ("X", "y")
    path = write(tmp_path / "d.h5", **dict(zip(names, (X, Y), strict=True)))
    beside = write(tmp_path / "v.h5", **dict(zip(names, (X[:40] + 0.1, Y[:40]), strict=True)))
    found, record = found_of(tmp_path, path, {"valid": beside, **keys})
    assert found.answers is not None, found.reason
    assert (len(found.answers.rows), found.answers.where) == (40, f"40 rows, validation, of {beside}")
    best = record.history.at("valid_loss", record.history.best)
    assert found.answers.metrics["loss"] == pytest.approx(best, rel=1e-9)
    assert [sample.n_rows for sample in found.samples] == [120, 40]
    write(tmp_path / "v.h5", **dict(zip(names, (X[:40] + 0.2, Y[:40]), strict=True)))
    assert f"{path} or {beside} is not the file that the model was trained on" in findings_unasked(record).reason


def test_of_many_rows_a_sample_is_answered_and_said(tmp_path, monkeypatch):
    monkeypatch.setattr(answers, "_MOST_VALUES", 2 * 13)
    monkeypatch.setattr(gathering, "_COMPARED_BYTES", 0)
    found, record = found_of(tmp_path, write(tmp_path / "d.h5", X=X, y=Y), {"valid_fraction": 0.5})
    assert found.answers is not None
    assert found.answers.where.startswith("13 of 60 rows, validation, of ")
    assert "whether their content is still that of the training was not looked at" in found.reason
    text = check(write_report([record.path]).read_text()).text
    assert "13 of 60 rows" in text
    assert "Parity" in text


def test_rows_that_were_in_memory_are_said_to_be_gone(tmp_path):
    config = ddp_mlp.Config(model={"hidden": [4]}, train={"epochs": 1})
    ddp_mlp.train(config, data=(X, Y), out=tmp_path / "run")
    found = findings_unasked(read_record(tmp_path / "run"))
    assert "the rows were in memory, and are gone; name a file of them with --data" in found.reason
    write(tmp_path / "d.h5", X=X, y=Y)
    page = write_report([tmp_path / "run"], data=str(tmp_path / "d.h5"))
    assert "Parity" in check(page.read_text()).text


def test_a_process_that_has_trained_nothing_answers_too(tmp_path):
    train(configured(write(tmp_path / "d.h5", X=X, y=_LABELS)), tmp_path / "run")
    done = run_program("report", "run", cwd=tmp_path, launched=True)
    assert done.code == 0, done.err
    text = check((tmp_path / "run/report.html").read_text()).text
    for part in ("Calibration", "Importance of features", "drift to valid"):
        assert part in text, part
