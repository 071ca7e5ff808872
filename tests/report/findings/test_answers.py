"""Answers in a page are those of ``evaluate`` and ``predict``, to the rows that validated."""

from __future__ import annotations

import re

import numpy as np
import pytest

from ddp_mlp.data.schema import Schema
from ddp_mlp.errors import DdpMlpError
from ddp_mlp.report.findings.answers import AnswerSheet, answer
from ddp_mlp.report.findings.gathering import findings_unasked
from ddp_mlp.report.pages.answer_section import answer_section, pictures_of
from ddp_mlp.report.pages.page import page_of
from ddp_mlp.report.records.record import read_record
from ddp_mlp.report.writing import write_report
from tests.report.pages.test_page import check
from tests.runs import ddp_mlp, make_data, train_here

_CONFIG = '[data]\ntrain = "{name}.h5"\nvalid_fraction = 0.2\n[model]\nhidden = [8]\n[train]\nepochs = 3\n'


def trained(folder, name):
    make_data(folder, name, None if name == "digits" else 200)
    (folder / "c.toml").write_text(_CONFIG.format(name=name))
    train_here(folder, name)
    return read_record(folder / name)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("moons", ["ROC", "Precision and recall", "Calibration", "Confusion", "The worst rows"]),
        ("sine", ["Parity of sin(x)", "Residuals of sin(x)", "Each target", "The worst rows"]),
        ("digits", ["ROC", "Calibration", "Confusion"]),
    ],
)
def test_a_page_answers_the_rows_that_validated(tmp_path, name, parts):
    record = trained(tmp_path, name)
    sheet = findings_unasked(record).answers
    assert sheet is not None
    evaluated = ddp_mlp("evaluate", name, f"{name}.h5", "--split", "valid", "--json", cwd=tmp_path).result
    assert sheet.metrics == {key: value for key, value in evaluated.items() if key != "split"}
    assert sheet.metrics["loss"] == pytest.approx(record.history.at("valid_loss", record.history.best))
    if name == "sine":
        assert np.sqrt(np.mean((sheet.outputs - sheet.targets) ** 2)) == pytest.approx(evaluated["rmse"])
    else:
        labels = sheet.targets[:, 0].astype(int)
        answers = (sheet.outputs[:, 0] > 0.5) if name == "moons" else sheet.outputs.argmax(axis=1)
        assert np.mean(answers == labels) == pytest.approx(evaluated["accuracy"])
    text = check(write_report([tmp_path / name]).read_text()).text
    for part in (*parts, f"{len(sheet.rows)} rows, validation"):
        assert part in text, part


def test_rows_are_those_of_the_file_that_trained_or_there_are_none(tmp_path):
    record = trained(tmp_path, "moons")
    make_data(tmp_path, "moons", 200, seed=1)
    assert "is not the file that the model was trained on any more" in findings_unasked(record).reason
    assert findings_unasked(record).answers is None
    assert "the health of the data are not shown" in check(write_report([record.path]).read_text()).text
    (tmp_path / "moons.h5").unlink()
    assert "moons.h5: no such file" in findings_unasked(record).reason


def test_other_rows_are_answered_when_asked_for(tmp_path):
    record = trained(tmp_path, "moons")
    make_data(tmp_path, "moons", 60, seed=1, out="other.h5")
    sheet = answer(record.path, str(tmp_path / "other.h5"), None, lambda _: None)
    assert (len(sheet.rows), sheet.where) == (
        len(sheet.targets),
        f"{len(sheet.rows)} rows, test, of {tmp_path}/other.h5",
    )
    done = ddp_mlp("report", "moons", "--data", "other.h5", "--split", "train", cwd=tmp_path)
    assert done.code == 0, done.err
    assert re.search(r"60 rows, train, of other\.h5", (tmp_path / "moons/report.html").read_text())
    before = (tmp_path / "moons/report.html").read_text()
    for words, code in (
        (["--data", "nowhere.h5"], 66),
        (["--data", "other.h5", "--split", "x"], 2),
        (["--split", "x"], 2),
    ):
        assert ddp_mlp("report", "moons", *words, cwd=tmp_path).code == code, words
    make_data(tmp_path, "sine", 60)
    assert ddp_mlp("report", "moons", "--data", "sine.h5", cwd=tmp_path).code == 65
    assert (tmp_path / "moons/report.html").read_text() == before
    with pytest.raises(DdpMlpError):
        answer(record.path, str(tmp_path / "sine.h5"), None, lambda _: None)


def test_a_run_that_goes_on_is_left_alone(tmp_path):
    record = trained(tmp_path, "moons")
    (record.path / "status.json").write_text('{"state": "running"}')
    found = findings_unasked(read_record(record.path))
    assert (found.answers, found.importance, found.samples, found.reason) == (None, None, (), "")
    assert "come when the run is over" in check(page_of([read_record(record.path)])).text


@pytest.mark.parametrize("offset", [0.0, 0.1, 1e300, 1e-300, np.nan, np.inf])
def test_residuals_that_are_all_the_same_have_a_picture(rng, offset):
    true = rng.normal(size=(20, 1))
    schema = Schema("regression", 1, 1, ("x",), ("y",))
    sheet = AnswerSheet(schema, "20 rows", np.arange(20), true + offset, true, {}, False, 0.5)
    residuals = pictures_of(sheet)[1].shapes[0]
    assert residuals.y.sum() == (20 if np.isfinite(offset) else 0)
    assert "nan" not in answer_section(sheet).split("The worst rows")[0]


def test_answers_beside_a_large_offset_are_told_from_what_is_true(rng):
    true = 1.7e9 + rng.normal(size=(20, 1)) * 100
    sheet = AnswerSheet(
        Schema("regression", 1, 1, ("x",), ("y",)), "20 rows", np.arange(20), true + 3, true, {}, False, 0.5
    )
    found = re.findall(
        r'<td data-order="([^"]+)" class="number">([^<]+)</td>', answer_section(sheet).split("The worst rows")[-1]
    )
    assert len(found) == 40
    for exact, text in found:
        assert abs(float(text.replace(" ", "")) - float(exact)) < 0.3, text
