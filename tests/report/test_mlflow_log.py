"""Runs in MLflow, read by its own client: settings, each epoch, scores and files; each run once."""

from __future__ import annotations

import sys

import pytest

from ddp_mlp.errors import MissingInputError, OutputError, UsageError
from ddp_mlp.report.mlflow_log import log_to_mlflow
from tests.report.made import make_run
from tests.runs import ddp_mlp

pytest.importorskip("mlflow", reason="MLflow is not installed (pip install 'ddp-mlp[mlflow]')")
pytestmark = pytest.mark.filterwarnings("ignore")  # of MLflow and what it stands on


def logged(store):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=store)
    (experiment,) = (e for e in client.search_experiments() if e.name == "mine")
    return client, client.search_runs([experiment.experiment_id])


def test_a_run_is_in_mlflow_as_it_is_in_its_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run, store = make_run(tmp_path / "a", 30, weights_sha256="abc", best_valid_mae=2.5), f"sqlite:///{tmp_path}/m.db"
    known_as = log_to_mlflow(run, "mine", store)
    client, (found,) = logged(store)
    assert (found.info.run_id, found.info.status, found.info.run_name) == (known_as, "FINISHED", "a")
    assert found.data.params["optimizer.learning_rate"] == "0.01"
    assert found.data.params["model.hidden"] == "[8]"
    assert found.data.tags["ddp_mlp.weights_sha256"] == "abc"
    history = client.get_metric_history(known_as, "train_loss")
    assert [(m.step, m.value) for m in history] == [(e, 1 / e + 0.01) for e in range(1, 31)]
    assert [m.timestamp for m in history] == sorted(m.timestamp for m in history)
    assert found.data.metrics["best_valid_loss"] == 1 / 7 + 0.01
    assert found.data.metrics["best_valid_mae"] == 2.5  # which no epoch reports: it was measured for a search
    assert "best_train_loss" not in found.data.metrics
    assert {f.path for f in client.list_artifacts(known_as)} == {"config.toml", "metrics.csv", "status.json", "log.txt"}
    with pytest.raises(UsageError, match="is in MLflow already"):
        log_to_mlflow(run, "mine", store)
    assert log_to_mlflow(run, "mine", store, again=True) != known_as


def test_runs_of_every_fate_and_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = f"file:{tmp_path}/runs"
    make_run(tmp_path / "none", done=0, state="running")
    make_run(tmp_path / "bad", done=2, state="failed", reason="x" * 9000)
    done = ddp_mlp("log-to", "mlflow", "none", "bad", "--experiment", "mine", "--store", store, cwd=tmp_path)
    assert (done.code, len(done.err.splitlines())) == (0, 2), done.err
    _, found = logged(store)
    assert {run.info.run_name: run.info.status for run in found} == {"none": "RUNNING", "bad": "FAILED"}
    for words, code in ((["nowhere"], 66), (["bad", "--store", store, "--experiment", "mine"], 2), ([], 2)):
        done = ddp_mlp("log-to", "mlflow", *words, cwd=tmp_path)
        assert (done.code, len(done.error_lines)) == (code, 1), words


def test_what_stands_in_the_way_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = make_run(tmp_path / "a")
    with pytest.raises(MissingInputError):
        log_to_mlflow(tmp_path / "b", "mine", None)
    with pytest.raises(OutputError, match="MLflow"):
        log_to_mlflow(run, "mine", "nonsense://x")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="MLflow"):
        log_to_mlflow(run, "mine", f"sqlite:///{tmp_path}/file/m.db")
    monkeypatch.setitem(sys.modules, "mlflow.tracking", None)
    with pytest.raises(UsageError, match="pip install 'ddp-mlp\\[mlflow\\]'"):
        log_to_mlflow(run, "mine", None)
