"""Figures for papers: each chart as a good SVG and PDF, the same on any day, whatever names stand in it."""

from __future__ import annotations

import re
import sys
from xml.etree import ElementTree

import numpy as np
import pytest

from ddp_mlp.data.schema import Schema
from ddp_mlp.errors import OutputError, UsageError
from ddp_mlp.report.figures import write_figures
from ddp_mlp.report.findings.answers import AnswerSheet
from ddp_mlp.report.findings.gathering import Findings
from ddp_mlp.report.findings.importance import Importance
from ddp_mlp.report.pages.study_section import Trials
from ddp_mlp.report.plots import of_trials
from ddp_mlp.report.records.record import read_record
from ddp_mlp.report.writing import records_of
from tests.report.made import make_run
from tests.report.pages.test_ranks_section import ranks
from tests.report.pages.test_study_section import study
from tests.runs import MOONS, ddp_mlp, make_data, train_here
from tests.tiers import THOROUGH

pytest.importorskip("matplotlib", reason="Matplotlib is not installed (pip install 'ddp-mlp[figures]')")
STRANGE = ("a $b", "a $b$", "_c \\d{", "<&>")


def findings() -> Findings:
    rng = np.random.default_rng(0)
    true = rng.normal(size=(50, len(STRANGE)))
    schema = Schema("regression", 4, len(STRANGE), STRANGE, STRANGE, target_units=("$", "", "kg", "%"))
    sheet = AnswerSheet(schema, "50 rows", np.arange(50), true + 0.1, true, {}, False, 0.5)
    return Findings(sheet, Importance(STRANGE, rng.random((4, 3)), 50, "valid", 0, None))


def test_trials_have_the_words_and_numbers_of_the_page():
    rows = (("a", ["adam", 1024, 0.1]), ("b", ["sgd", 1025, 0.2]), ("c", ["sgd", 32, 0.3]))
    axes = of_trials(Trials("trials", ("optimizer.name", "train.global_batch_size", "validation loss"), rows)).axes[0]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["optimizer", "global batch size", "validation loss"]
    texts = [text.get_text() for text in axes.texts]
    assert texts.count("1025") == 1
    assert "1024" not in texts  # would be drawn over its neighbour


@THOROUGH
def test_every_chart_is_a_good_file_and_the_same_again(tmp_path):
    record = read_record(make_run(tmp_path / "$x_", 8, ranks=ranks([3.0, 2.0], [0.0, 1.0])))
    written = write_figures(tmp_path / "a/b", [record], findings())
    names = {path.stem for path in written}
    assert {
        "loss",
        "grad-norm",
        "ranks",
        "importance",
        "parity-of-a-b",
        "parity-of-a-b-2",
        "residuals-of-c-d-kg",
    } <= names
    assert len(written) == 2 * len(names)
    for path in written:
        if path.suffix == ".svg":
            assert ElementTree.parse(path).getroot().tag.endswith("svg")  # noqa: S314 - our own
        else:
            assert path.read_bytes().startswith(b"%PDF-")
    before = {path: path.read_bytes() for path in written}
    assert write_figures(tmp_path / "a/b", [record], findings()) == written
    assert {path: path.read_bytes() for path in written} == before


@THOROUGH
def test_charts_of_the_page_are_figures_too(tmp_path):
    """Of classes and images: each figure of the page, and the table that a confusion matrix is there."""
    make_data(tmp_path, "digits", None)
    (tmp_path / "c.toml").write_text(MOONS.replace("moons", "digits") + "[train]\nepochs = 2\n")
    train_here(tmp_path, "run")
    assert ddp_mlp("report", "run", "--figures", "f", cwd=tmp_path).code == 0
    page = (tmp_path / "run/report.html").read_text()
    names = {"roc", "precision-and-recall", "calibration", "confusion", "importance", "loss", "valid-accuracy"}
    assert names <= {path.stem for path in (tmp_path / "f").iterdir()}
    assert len(list((tmp_path / "f").glob("*.svg"))) == page.count("<figure") + 1
    assert re.search('class="number h[1-8]"', page)


@THOROUGH
def test_runs_of_every_kind_have_figures(tmp_path):
    one, none = make_run(tmp_path / "one", 1), make_run(tmp_path / "none", done=0, state="running")
    assert write_figures(tmp_path / "f", [read_record(one)], None)
    assert write_figures(tmp_path / "g", [read_record(none)], None) == []
    several = {path.stem for path in write_figures(tmp_path / "h", records_of([study(tmp_path / "s")]), None)}
    assert {"loss", "trials"} <= several
    done = ddp_mlp("report", "one", "--figures", "f", cwd=tmp_path)
    assert (done.code, done.err.splitlines()[-1]) == (0, "written: one/report.html")
    assert "figures, each as SVG and PDF" in done.err


def test_what_stands_in_the_way_is_said(tmp_path, monkeypatch):
    record = read_record(make_run(tmp_path / "a"))
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write to"):
        write_figures(tmp_path / "file", [record], None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match="pip install 'ddp-mlp\\[figures\\]'"):
        write_figures(tmp_path / "f", [record], None)
