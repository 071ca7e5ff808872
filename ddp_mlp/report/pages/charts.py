"""The curves of a page: which there are, and their numbers, thinned to the width of a screen."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ddp_mlp.report.records.history import Numbers, shown_positions
from ddp_mlp.report.records.record import Record

#: Parts into which the epochs of all runs together are cut: two pixels each, for one run on a wide screen.
_BUCKETS = 400
_FEWEST_BUCKETS = 24
#: Learning rates that differ so many times are drawn on a logarithmic scale.
_FAR = 50.0
#: Runs that eyes can tell apart: eight colours, three kinds of lines.
MOST_CURVES = 24


class Chart(NamedTuple):
    """A chart: the columns that it shows, by name.

    Attributes
    ----------
    key : str
        Name in the page.
    is_log : bool
        Whether it begins with a logarithmic scale.
    """

    key: str
    title: str
    columns: tuple[str, ...]
    is_log: bool = False


_TITLES = {
    "valid_accuracy": "Accuracy on validation rows",
    "valid_rmse": "RMSE on validation rows",
    "valid_r2": "R² on validation rows",
}
_TIMES = ("compute_s", "communicate_s", "data_s", "wall_s")


def charts_of(records: Sequence[Record]) -> list[Chart]:
    """Return the charts for which any of the runs has numbers, the loss first."""
    named = list(dict.fromkeys(name for record in records for name in record.history.named()))
    metrics = [name for name in named if name.startswith("valid_") and name != "valid_loss"]
    layers = tuple(name for name in named if name.startswith("grad_norm_"))
    possible = [
        Chart("loss", "Loss", ("train_loss", "valid_loss")),
        *(Chart(name, _TITLES.get(name, f"{_words(name)} on validation rows"), (name,)) for name in metrics),
        Chart("learning_rate", "Learning rate", ("learning_rate",), is_log=_are_far_apart(records)),
        Chart("grad_norm", "Gradient norm, mean of the epoch", ("grad_norm",), is_log=True),
        Chart("layers", "Gradient norm of each layer", layers, is_log=True),
        Chart("samples_per_s", "Samples per second", ("samples_per_s",)),
        Chart("times", "Seconds of an epoch", _TIMES if len(records) == 1 else ("wall_s",)),
    ]
    kept = (chart._replace(columns=tuple(c for c in chart.columns if c in named)) for chart in possible)
    return [chart for chart in kept if chart.columns]


def _are_far_apart(records: Sequence[Record]) -> bool:
    """Tell whether the highest learning rates of several runs lie so far apart that the lowest would be on the axis."""
    rates = [record.history.columns.get("learning_rate") for record in records]
    highest = [float(np.nanmax(rate)) for rate in rates if rate is not None and np.isfinite(rate).any()]
    return len(highest) > 1 and min(highest) > 0 and max(highest) / min(highest) >= _FAR


def _words(column: str) -> str:
    return re.sub(r"^valid_", "", column).replace("_", " ").capitalize()


def label_of(column: str) -> str:
    """Return the name of a column in a legend."""
    fixed = {"train_loss": "training", "valid_loss": "validation", "wall_s": "all of it", "data_s": "data"}
    return fixed.get(column) or re.sub(r"^(valid|grad_norm)_|_s$", "", column).replace("_", " ")


def curves(records: Sequence[Record]) -> dict[str, Any]:
    """Return the curves of up to `MOST_CURVES` runs as the page wants them.

    Returns
    -------
    dict
        ``runs``: names; ``charts``: for each its key, scale, and of each run the epochs and the columns;
        ``marks``: of each run, the epochs of its best, of stops, and of where it went on.
    """
    drawn = records[:MOST_CURVES]
    buckets = max(_FEWEST_BUCKETS, _BUCKETS // max(1, len(drawn)))
    charts = charts_of(drawn)
    series = [[one for run in range(len(drawn)) for one in _series(drawn, run, chart, buckets)] for chart in charts]
    return {
        "runs": [record.name for record in drawn],
        "charts": [{"key": chart.key, "series": found} for chart, found in zip(charts, series, strict=True)],
        "marks": [list(marks_of(record)) for record in drawn],
    }


def _series(records: Sequence[Record], run: int, chart: Chart, buckets: int) -> Iterator[dict[str, Any]]:
    history = records[run].history
    names = [name for name in chart.columns if name in history.columns]
    if not names or not len(history.epochs):
        return
    chosen = shown_positions([history.columns[name] for name in names], buckets)
    yield {
        "run": run,
        "x": _short(history.epochs[chosen]),
        "lines": [
            {"label": label_of(name), "kind": chart.columns.index(name), "y": _short(history.columns[name][chosen])}
            for name in names
        ],
    }


def marks_of(record: Record) -> Iterator[dict[str, Any]]:
    """Yield the marks of a run on its charts: kind, epoch, text."""
    history = record.history
    if (best := history.best) is not None:
        epoch, loss = history.at("epoch", best), history.at(history.watched, best)
        word = "the model" if history.is_of_last else "best"
        yield {"kind": "best", "epoch": epoch, "text": f"{word}: epoch {epoch:.0f}, {loss:.5g}"}
    for mark in record.marks:
        at = round(history.epoch_of(mark.step), 3)
        yield {"kind": mark.kind, "epoch": at, "text": f"{mark.kind} at step {mark.step}, {mark.when}"}
    if record.state in ("failed", "died") and len(history.epochs):
        yield {"kind": "failed", "epoch": float(history.epochs[-1]), "text": f"{record.state} after this epoch"}


def _short(values: Numbers) -> list[float | None]:
    """Return numbers with the six digits that a chart can show; None for what is no finite number."""
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in values]
