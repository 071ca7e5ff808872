"""Logging a run to MLflow, after it is over or as it is now: settings, epochs, scores, and its files."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ddp_mlp.errors import DdpMlpError, OutputError, UsageError, printable
from ddp_mlp.report.pages.facts import METRICS
from ddp_mlp.report.pages.markup import shown
from ddp_mlp.report.records.differences import flat
from ddp_mlp.report.records.record import Record, read_record

#: Where MLflow keeps what is logged, if nobody says another place.
DEFAULT_STORE = "sqlite:///mlflow.db"
_FILES = ("config.toml", "metrics.csv", "status.json", "log.txt", "model.h5", "report.html")
#: The tag by which a run is known that was logged before.
_TAG = "ddp_mlp.run_dir"
#: Numbers in one request, and letters of a value, that every store takes.
_AT_ONCE, _LETTERS = 1000, 500
_STATUSES = {"running": "RUNNING", "failed": "FAILED", "died": "FAILED", "stopped": "KILLED"}


def log_to_mlflow(run: Path, experiment: str, store: str | None, *, again: bool = False) -> str:
    """Log a run, and return the id that it has there.

    Parameters
    ----------
    experiment : str
        Made if it is not there.
    store : str or None
        Address of a tracking server, database or directory; None for that of ``MLFLOW_TRACKING_URI``, or
        ``mlflow.db`` here.
    again : bool
        Whether to log a run once more that is there already.

    Raises
    ------
    MissingInputError
        If there is no run.
    UsageError
        If MLflow is not installed, or the run is there already.
    OutputError
        If MLflow refuses.
    """
    record = read_record(run)
    client, refusal = _client(store or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_STORE)
    try:
        return _log(client, record, experiment, again=again)
    except DdpMlpError:
        raise
    except refusal as error:
        raise OutputError(f"MLflow does not take {run}: {_first_line(error)}") from None


def _client(store: str) -> tuple[Any, type[Exception]]:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # before it is loaded, or it tells of that
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # only who names a directory gets one
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    try:
        from mlflow.tracking import MlflowClient
    except ImportError:
        raise UsageError("logging to MLflow needs it; pip install 'ddp-mlp[mlflow]'") from None
    try:
        return MlflowClient(tracking_uri=store), Exception  # of stores, networks and databases
    except Exception as error:
        raise OutputError(f"MLflow cannot use {printable(store)}: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return printable((str(error).strip() or type(error).__name__).splitlines()[0])[:300]


def _log(client: Any, record: Record, experiment: str, *, again: bool) -> str:
    found = client.get_experiment_by_name(experiment)
    place = client.create_experiment(experiment) if found is None else found.experiment_id
    directory = str(record.path.resolve())
    if not again and (known := _logged(client, place, directory)):
        raise UsageError(f"{record.path} is in MLflow already, as run {known}; --again logs it once more")
    from mlflow.entities import Metric, Param, RunTag

    run = client.create_run(place, run_name=record.name)
    params = [Param(key, value) for key, value in _params(record)]
    tags = [RunTag(key, value) for key, value in ((_TAG, directory), *_tags(record))]
    for start in range(0, max(len(params), 1), 100):
        client.log_batch(run.info.run_id, params=params[start : start + 100], tags=tags if not start else [])
    metrics = [Metric(*each) for each in _metrics(record)]
    for start in range(0, len(metrics), _AT_ONCE):
        client.log_batch(run.info.run_id, metrics=metrics[start : start + _AT_ONCE])
    for name in _FILES:
        if (record.path / name).is_file():
            client.log_artifact(run.info.run_id, str(record.path / name))
    client.set_terminated(run.info.run_id, status=_STATUSES.get(record.state, "FINISHED"))
    return str(run.info.run_id)


def _logged(client: Any, experiment: str, directory: str) -> str:
    """Return the id of a run that was logged from a directory; empty for none."""
    runs = client.search_runs([experiment], max_results=5000)
    return next((str(run.info.run_id) for run in runs if run.data.tags.get(_TAG) == directory), "")


def _params(record: Record) -> Iterator[tuple[str, str]]:
    for key, value in flat(record.config).items():
        yield key, shown(value)[:_LETTERS]


def _tags(record: Record) -> Iterator[tuple[str, str]]:
    for name in ("state", "host", "weights_sha256", "model_sha256", "world_size", "loss_unit", "reason"):
        if (value := record.status.get(name)) is not None:
            yield f"ddp_mlp.{name}", printable(str(value))[:_LETTERS]


def _metrics(record: Record) -> Iterator[tuple[str, float, int, int]]:
    """Yield name, value, time in milliseconds and epoch of each number; then the scores of the best epoch."""
    history = record.history
    walls = history.columns.get("wall_s")
    ended = record.path.joinpath("metrics.csv").stat().st_mtime if len(history.epochs) else 0.0
    for i, epoch in enumerate(history.epochs.astype(int).tolist()):
        left = 0.0 if walls is None else float(walls[i + 1 :].sum())
        when = int(1000 * (ended - (left if math.isfinite(left) else 0.0)))
        for name in history.columns:
            if name != "epoch" and (value := history.at(name, i)) is not None:
                yield name, value, when, epoch
    if history.best is not None:
        epoch = int(history.epochs[history.best])
        for name in METRICS:
            if (name != "train_loss" or name == history.watched) and (value := record.score(name)) is not None:
                yield f"best_{name}", value, int(1000 * ended), epoch


def log_all(runs: Sequence[Path], experiment: str, store: str | None, *, again: bool) -> Iterator[tuple[Path, str]]:
    """Log several runs, yielding each with its id; parameters and errors as those of `log_to_mlflow`."""
    for run in runs:
        yield run, log_to_mlflow(run, experiment, store, again=again)
