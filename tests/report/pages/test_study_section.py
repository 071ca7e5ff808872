"""Studies in a page: repeats have mean and spread, trials a line through their settings, the best one first."""

from __future__ import annotations

import json
import re
import statistics

import pytest

from ddp_mlp.errors import MissingInputError
from ddp_mlp.report.pages.charts import charts_of
from ddp_mlp.report.pages.markup import table
from ddp_mlp.report.pages.threads import apart, parallel_coordinates, places
from ddp_mlp.report.records.groups import groups_of, score_name, score_of
from ddp_mlp.report.records.listing import ranked_listing
from ddp_mlp.report.records.record import read_record
from ddp_mlp.report.writing import records_of, write_report
from tests.report.made import HEADER, make_run
from tests.report.pages.test_page import check, data_of
from tests.runs import ddp_mlp


def study(folder, n_trials=4, n_folds=2):
    """Trials whose best loss grows with the distance of the rate from 0.04, in folds of slightly other losses."""
    for trial in range(n_trials):
        for fold in range(n_folds):
            path = make_run(folder / f"trial-{trial:03}" / f"fold-{fold}", 3, rate=0.01 * 4**trial)
            config = path / "config.toml"
            config.write_text(config.read_text().replace("[model]", f"fold = {fold}\nfolds = {n_folds}\n[model]"))
            loss = 1 + abs(trial - 1) + 0.1 * fold
            (path / "metrics.csv").write_text(f"{HEADER}\n1,10,{loss},{loss},0.5,0.1,1,1e4,1,1,1,1\n")
    return folder


def test_folds_are_repeats_of_a_trial_and_the_best_mean_comes_first(tmp_path):
    records = records_of([study(tmp_path / "s")])
    assert len(records) == 8
    assert score_name(records) == "valid_loss"
    groups = groups_of(records, "valid_loss")
    assert [group.name for group in groups] == ["trial-001", "trial-000", "trial-002", "trial-003"]
    assert groups[0].values == {"optimizer.learning_rate": 0.04}
    assert groups[0].mean == pytest.approx(1.05)
    assert groups[0].spread == pytest.approx(statistics.stdev([1.0, 1.1]))
    text = write_report([tmp_path / "s"]).read_text()
    page = check(text)
    for part in ("the thick line is the best, trial-001", "over folds or seeds", "trial-003/fold-1"):
        assert part in page.text, part
    assert len(data_of(text)["runs"]) == 8
    assert (tmp_path / "s/report.html").exists()


def test_a_run_on_all_rows_has_no_place_among_trials(tmp_path):
    """As of ``search --top``: no row is left to measure it, so it neither leads nor keeps others from their order."""
    path = make_run(study(tmp_path / "s") / "top-1", 3, rate=0.04, loss_unit="mse in training")
    config, metrics = path / "config.toml", path / "metrics.csv"
    config.write_text(config.read_text().replace("[model]", "all_rows = true\n[model]"))
    metrics.write_text(f"{HEADER}\n1,10,0.1,,,0.1,1,1e4,1,1,1,1\n")
    records = records_of([tmp_path / "s"])
    assert score_name(records) == "valid_loss"
    assert [record.name for record in records[::8]] == ["trial-001/fold-0", "top-1"]
    page = check(write_report([tmp_path / "s"]).read_text()).text
    assert "the thick line is the best, trial-001" in page
    assert "data.all_rows" not in page.partition("Runs, and what differs")[0]


@pytest.mark.parametrize("state", ["failed", "paused"])
def test_a_trial_that_failed_or_was_left_on_the_way_is_not_the_best(tmp_path, state):
    status = study(tmp_path / "s") / "trial-001" / "fold-1" / "status.json"
    status.write_text(json.dumps({**json.loads(status.read_text()), "state": state}))
    records = records_of([tmp_path / "s"])
    assert records[-1].name == "trial-001/fold-1"
    groups = groups_of(records, "valid_loss")
    assert [group.name for group in groups] == ["trial-000", "trial-002", "trial-003", "trial-001"]
    assert "the thick line is the best, trial-000" in check(write_report([tmp_path / "s"]).read_text()).text


def test_repeats_over_several_directories_are_named_by_all_of_them(tmp_path):
    for trial, name in enumerate(("trial-001", "trial-002", "alone")):
        for seed in (0, 1):
            path = make_run(tmp_path / "s" / name / f"seed-{seed}" if trial < 2 else tmp_path / "s" / f"r{seed}", 3)
            config = path / "config.toml"
            config.write_text(config.read_text().replace("seed = 0", f"seed = {seed + 2 * trial}"))
    records = records_of([tmp_path / "s"])
    (group,) = groups_of([one for one in records if "/" in one.name], "valid_loss")
    assert group.name == "trial-001, trial-002"
    (group,) = groups_of([one for one in records if "/" not in one.name], "valid_loss")
    assert group.name == "2 runs, r0, ..."


def test_a_study_of_one_setting_of_failures_and_of_nothing(tmp_path):
    folds = study(tmp_path / "cv", n_trials=1, n_folds=3)
    page = check(write_report([folds]).read_text()).text
    assert "over folds or seeds" in page
    assert "thick line" not in page
    for i in range(3):
        make_run(tmp_path / "bad" / f"trial-{i}", done=0, state="failed", reason="x", rate=0.1 + i)
    assert score_of(records_of([tmp_path / "bad"])[0], "valid_loss") is None
    assert "Trials" not in check(write_report([tmp_path / "bad"]).read_text()).text
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "nowhere"):
        with pytest.raises(MissingInputError):
            records_of([path])


def test_losses_in_other_units_are_not_compared(tmp_path):
    for i, unit in enumerate(("mse", "huber", "mse")):
        make_run(tmp_path / "s" / f"t{i}", 3, rate=0.1 + i, loss_unit=unit)
    records = records_of([tmp_path / "s"])
    assert score_name(records) == "valid_accuracy"
    assert [g.mean for g in groups_of(records, "valid_accuracy")] == sorted(
        (score_of(r, "valid_accuracy") for r in records), reverse=True
    )


def test_runs_of_other_data_or_without_a_common_score_are_not_ranked(tmp_path):
    for i in range(3):
        path = make_run(tmp_path / "s" / f"t{i}", 3, rate=0.1 + i)
        config = path / "config.toml"
        config.write_text(config.read_text().replace("digits.h5", f"digits{i}.h5"))
    units = [make_run(tmp_path / "u" / f"t{i}", 3, rate=0.1 + i, loss_unit=f"mse {i}") for i in range(3)]
    for path in units:
        table = path / "metrics.csv"
        table.write_text(table.read_text().replace("valid_accuracy", "valid_r2"))
    for folder in ("s", "u"):
        records = records_of([tmp_path / folder])
        assert score_name(records) == ""
        assert [record.name for record in records] == ["t0", "t1", "t2"]
        page = check(write_report([tmp_path / folder]).read_text()).text
        assert "the thick line is the best" not in page
        assert "optimizer.learning_rate" in page


def test_axes_of_numbers_words_and_gaps():
    rows = [("a", [1e-4, "adam", 8, 0.1]), ("b", [1e-1, "sgd", None, 0.2]), ("c", [1e-2, "adam", 8, 0.3])]
    figure = parallel_coordinates("all", ["optimizer.learning_rate", "optimizer.name", "model.hidden", "loss"], rows)
    assert figure.count('class="thread best"') == 1
    assert figure.count("<path") == 4 + 3
    assert figure.index("thread best") > figure.rindex('class="thread"')
    for text in ("learning rate", ">optimizer<", "adam", "0.0001", "b: optimizer.learning_rate 0.1"):
        assert text in figure, text
    assert "<script>" not in parallel_coordinates("<script>", ["<script>"] * 2, [("<script>", ["<script>", 1])] * 3)
    assert "<script>" not in table(["<script>"], [["<script>"]], caption="<script>")


def test_values_on_an_axis_are_those_that_were_tried():
    def texts(*values):
        return [text for _, text in places(values)[1]]

    assert texts(32, 1024, 1025) == ["32", "1024", "1025"]
    assert texts(20240101, 20240102) == ["20 240 101", "20 240 102"]
    assert texts(0.9, 0.99, 0.9995) == ["0.9", "0.99", "0.9995"]
    assert texts(0.999999, 0.9999995) == ["0.999999", "0.9999995"]
    assert texts(*range(20240101, 20240151))[:2] == ["20 240 101", "20 240 113"]


def test_a_line_is_interrupted_where_a_trial_has_no_value():
    gaps = {"whole": (5.0, 4.0), "one": (None, 4.0), "two": (None, None)}
    rows = [(name, [1.0, first, 2.0, second, 3.0]) for name, (first, second) in gaps.items()]
    figure = parallel_coordinates("all", ["a", "b", "c", "d", "loss"], rows)
    lines = re.findall(r'<path d="(\S.*?)" class="thread', figure)
    assert [[line.count(letter) for letter in "MLh"] for line in reversed(lines)] == [[1, 4, 0], [2, 2, 1], [3, 0, 3]]


def test_texts_beside_an_axis_do_not_cover_each_other():
    texts = [(0.0, "0.133"), (0.01, "0.151"), (0.5, "0.4"), (0.52, "0.41"), (0.99, "1.06"), (1.0, "1.28")]
    assert [text for _, text in apart(texts)] == ["0.133", "0.41", "1.28"]


@pytest.mark.parametrize(("rates", "is_log"), [((0.01, 0.02), False), ((1e-4, 0.1), True)])
def test_learning_rates_of_several_decades_begin_with_a_logarithmic_scale(tmp_path, rates, is_log):
    records = []
    for rate in rates:
        path = make_run(tmp_path / str(rate), 2, rate=rate)
        table_of = path / "metrics.csv"
        table_of.write_text(table_of.read_text().replace(",0.01,", f",{rate},"))
        records.append(read_record(path, with_model=False))
    assert [chart.is_log for chart in charts_of(records) if chart.key == "learning_rate"] == [is_log]


@pytest.mark.parametrize("metric", ["accuracy", "roc_auc"])
def test_trials_are_ranked_by_what_their_search_was_asked_for(tmp_path, metric):
    """Also by what no epoch reports, which the status of a run tells when it has ended."""
    folder = study(tmp_path / "s", n_folds=1)
    assert score_name(records_of([folder])) == "valid_loss"  # of a directory that tells nothing
    (folder / "study.json").write_text(
        json.dumps({"at_once": 1, "micro_batches": 8, "ended_in": "-", "metric": metric})
    )
    for trial in range(4):  # the trial of the highest loss is the best
        path, loss = folder / f"trial-{trial:03}" / "fold-0", 1 + abs(trial - 1)
        (path / "metrics.csv").write_text(f"{HEADER}\n1,10,{loss},{loss},{trial / 4},0.1,1,1e4,1,1,1,1\n")
        status = json.loads((path / "status.json").read_text())
        told = {"best_valid_roc_auc": trial / 5} if metric == "roc_auc" else {}
        (path / "status.json").write_text(json.dumps({**status, **told}))
    records = records_of([folder])
    assert score_name(records) == f"valid_{metric}"
    assert [record.name for record in records] == [f"trial-{trial:03}/fold-0" for trial in (3, 2, 1, 0)]
    name = {"accuracy": "validation accuracy", "roc_auc": "validation ROC AUC"}[metric]
    text = check(write_report([folder]).read_text()).text
    assert f"Settings and {name}: the thick line is the best, trial-003" in text
    assert f"The search was asked to rank them by {name}." in text
    lines, score = ranked_listing(folder)
    assert (score, lines[0]["run"]) == (f"valid_{metric}", "trial-003/fold-0")
    assert lines[0][score] == 3 / (4 if metric == "accuracy" else 5)
    printed = ddp_mlp("runs", "s", cwd=tmp_path)
    assert printed.err == f"ranked by valid_{metric}, as the search was asked to\n"
    assert printed.out.splitlines()[1].startswith("trial-003")
    assert ddp_mlp("runs", "s", "--sort", "name", cwd=tmp_path).out.splitlines()[1].startswith("trial-000")
