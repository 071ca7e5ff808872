"""Facts about a run in words: its network and data, how far it came, and how to run it again."""

from __future__ import annotations

import shlex
from typing import Any

from ddp_mlp.errors import NonFiniteError, literal, printable
from ddp_mlp.report.pages.markup import duration, shown
from ddp_mlp.report.records.record import Record

#: Names of metrics for a person.
METRICS = {
    "valid_loss": "validation loss", "train_loss": "training loss", "valid_accuracy": "validation accuracy",
    "valid_rmse": "validation RMSE", "valid_r2": "validation R²", "valid_mae": "validation MAE",
    "valid_macro_f1": "validation macro F1", "valid_roc_auc": "validation ROC AUC",
}  # fmt: skip
_STATES = {
    "running": "is running", "finished": "finished", "early-stopped": "stopped early, as it was told to",
    "target-reached": "reached its target loss", "stopped": "was stopped; its state is saved",
    "paused": "pauses, as a study told it to; its state is saved",
    "failed": "failed", "died": "died: its job is gone without a word", "unknown": "has not told how it is",
}  # fmt: skip


def headline(record: Record) -> str:
    """Return in one sentence how a run is."""
    state = _STATES.get(record.state, printable(record.state)[:40])
    done, epochs = record.history.epochs, record.setting("train", "epochs")
    of = f" of {shown(epochs)}" if isinstance(epochs, int) else ""
    came = f"after {shown(int(done[-1]))}{of} epochs" if len(done) else "before the end of its first epoch"
    best = best_text(record)
    word = "its model, that of the last epoch" if record.history.is_of_last else "best"
    return f"This run {state}, {came}" + (f"; {word}: {best}." if best else ".")


def best_text(record: Record) -> str:
    """Return the metrics of the best epoch; empty without one."""
    history = record.history
    if history.best is None:
        return ""
    names = [name for name in METRICS if name != "train_loss" or name == history.watched]
    values = [f"{METRICS[name]} {shown(v)}" for name in names if (v := record.score(name)) is not None]
    return ", ".join(values) + f" (epoch {history.at('epoch', history.best):.0f})"


def trouble(record: Record) -> list[str]:
    """Return why a run did not come to its end, and what else is wrong with its files."""
    reason = record.status.get("reason")
    return [*([printable(reason)] if isinstance(reason, str) and record.state == "failed" else []), *record.remarks]


def facts(record: Record) -> list[tuple[str, str]]:
    """Return names and values: the network, the data, the machinery, the time."""
    status, get = record.status, record.setting
    ranks, threads = record.number("world_size"), record.number("threads_per_rank")
    workers = f"{_count(ranks, 'rank')} x {_count(threads or 1, 'thread')}" if ranks else None
    job = status.get("slurm_job_id")
    host = f"{status.get('host', '')}" + (f", Slurm job {job}" if job else "")
    rows = [
        ("Network", _network(record)),
        ("Loss", _words(get("loss", "name"), status.get("loss_unit"))),
        ("Optimiser", f"{_words(get('optimizer', 'name'))}, learning rate {shown(get('optimizer', 'learning_rate'))}"),
        ("Schedule", _words(get("schedule", "name"))),
        ("Global batch", f"{shown(get('train', 'global_batch_size'))} rows"),
        ("Data", _words(get("data", "train"))),
        ("Understood", _understood(record)),
        ("Seed", shown(get("train", "seed"))),
        ("Workers", workers),
        ("Machine", host or None),
        ("Time", _time(record)),
        ("Speed", f"{shown(round(v))} samples/s" if (v := record.number("samples_per_s")) else None),
        ("Weights", status.get("weights_sha256")),
        ("As of", status.get("updated_utc")),
    ]  # fmt: skip
    return [(name, printable(value)) for name, value in rows if isinstance(value, str) and value]


def _count(number: float, noun: str) -> str:
    return f"{number:.0f} {noun}{'s' * (number != 1)}"


def commands(record: Record) -> list[tuple[str, str]]:
    """Return the commands that run it again, go on, and use it: purpose and command line."""
    path, ranks, threads = record.path, record.number("world_size") or 1, record.number("threads_per_rank") or 1
    start = ["ddp-mlp"]
    if ranks > 1 or threads > 1:
        start += ["launch", "-n", f"{ranks:.0f}", *(["--threads-per-rank", f"{threads:.0f}"] if threads > 1 else [])]
    again = [*start, "train", str(path / "config.toml")]
    listed = [("Run it again", [*again, "--out", f"{path}-again"])]
    # A loss that became infinite does so again at the same step, since the bits are the same.
    if (
        record.state in ("paused", "stopped", "failed", "died")
        and record.number("exit_code") != NonFiniteError.exit_code
    ):
        listed.insert(0, ("Go on", [*again, "--resume", "--out", str(path)]))
    if record.schema is not None:
        listed.append(("Evaluate it", ["ddp-mlp", "evaluate", str(path), "DATA"]))
        listed.append(("Use it", ["ddp-mlp", "predict", str(path), "DATA", "--out", "answers.csv"]))
    return [(purpose, printable(shlex.join(words))) for purpose, words in listed]


def _network(record: Record) -> str:
    hidden, schema = record.setting("model", "hidden"), record.schema
    layers = [shown(width) for width in hidden] if isinstance(hidden, list) else [literal(hidden)]
    if schema is not None:
        layers = [str(schema.n_features), *layers, str(schema.n_outputs)]
    count = f", {shown(record.n_parameters)} parameters" if record.n_parameters else ""
    return f"{' - '.join(layers)}, {literal(record.setting('model', 'activation')).strip(chr(39))}{count}"


def _understood(record: Record) -> str:
    """Return the line in which the run said what its data are."""
    found = next((line for line in reversed(record.log) if " data: " in line[:30]), "")
    if found:
        return found.partition(" data: ")[2]
    if told := _told(record.status.get("understood")):
        return told
    schema = record.schema
    return (
        f"{schema.task}, {_count(schema.n_features, 'feature')}, {_count(schema.n_outputs, 'output')}" if schema else ""
    )


def _told(understood: Any) -> str:
    """Return the understanding of the data that ``status.json`` tells of; empty for none."""
    if not isinstance(understood, dict):
        return ""
    counts = [understood.get(f"{name}_rows") for name in ("train", "valid", "test")]
    if not all(isinstance(count, int) for count in counts):
        return ""
    train, valid, test = map(shown, counts)
    rows = f"{train} rows train, {valid} validate, {test} are for a test"
    features = "feature" if understood.get("features") == 1 else "features"
    return f"{rows}; {shown(understood.get('features'))} {features}; {_words(understood.get('task'))}"


def _time(record: Record) -> str | None:
    if record.state != "running":
        return None if (spent := record.number("wall_s")) is None else f"{duration(spent)} since the last start"
    walls, epochs = record.history.columns.get("wall_s"), record.setting("train", "epochs")
    if walls is None or not len(walls) or not isinstance(epochs, int):
        return None
    left = max(0.0, epochs - float(record.history.epochs[-1])) * float(walls[-5:].mean())
    return f"about {duration(left)} left, by its last epochs"


def _words(*values: Any) -> str:
    """Return the last value that says anything other than "auto"."""
    said = [value for value in values if isinstance(value, str) and value != "auto"]
    return printable(said[-1]) if said else "auto"
