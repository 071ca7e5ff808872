"""The charts of a report, drawn by Matplotlib for paper."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ddp_mlp.comm.liveness.rank_times import KINDS
from ddp_mlp.errors import printable
from ddp_mlp.report.findings.answers import AnswerSheet
from ddp_mlp.report.findings.importance import Importance
from ddp_mlp.report.pages.charts import MOST_CURVES, Chart, label_of, marks_of
from ddp_mlp.report.pages.drawing import Picture
from ddp_mlp.report.pages.study_section import Trials
from ddp_mlp.report.pages.threads import apart, head_of, places
from ddp_mlp.report.records.record import Record

#: Inches of a figure, the colours of the page, which eyes of every kind can tell apart, and classes with numbers.
_SIZE, _MOST_NUMBERS = (5.0, 3.4), 12
_COLOURS = ("#0072b2", "#c24e00", "#007a59", "#a8487f", "#8a6100", "#1f7fb8", "#3a3f46", "#7a4fc0")
_GREY, _DASHES = "#545d68", ("-", "--", ":")
#: Lines of the marks of a run: dashed the best epoch, solid a stop or failure, dotted where it went on.
_MARKS = {"best": "--", "resumed": ":"}


def _plain(text: str) -> str:
    """Return text in which Matplotlib sees no formula, and no label that it is to leave out."""
    return " " * text.startswith("_") + printable(text).replace("$", r"\$")


@contextmanager
def _axes(title: str, x_label: str, y_label: str) -> Iterator[tuple[Any, Any]]:
    """Yield a figure and its axes; names of lines become a legend where there are several."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(_plain(title), fontsize=10)
    axes.set_xlabel(_plain(x_label))
    axes.set_ylabel(_plain(y_label))
    axes.set_axisbelow(True)
    yield figure, axes
    handles, labels = axes.get_legend_handles_labels()
    if 1 < len(labels) <= MOST_CURVES:
        axes.legend(handles, labels, fontsize=7)


def of_curves(chart: Chart, records: Sequence[Record]) -> Any:
    """Return curves over the epochs, with the marks of one run."""
    with _axes(chart.title, "epoch", "") as (figure, axes):
        for i, record in enumerate(records):
            for kind, column in enumerate(chart.columns):
                values = record.history.columns.get(column)
                if values is None:
                    continue
                name = label_of(column) if len(records) == 1 else record.name
                name += f" {label_of(column)}" * (len(records) > 1 and len(chart.columns) > 1)
                colour, dash = (kind, kind % 2) if len(records) == 1 else (i, i // len(_COLOURS) + kind)
                axes.plot(
                    record.history.epochs, np.where(np.isfinite(values), values, np.nan), _DASHES[dash % len(_DASHES)],
                    color=_COLOURS[colour % len(_COLOURS)], label=_plain(name), linewidth=1.2,
                    marker="o" * (len(values) == 1),
                )  # fmt: skip
        for mark in marks_of(records[0]) if len(records) == 1 else ():
            axes.axvline(mark["epoch"], color=_GREY, linestyle=_MARKS.get(mark["kind"], "-"), linewidth=1)
        if chart.is_log:
            axes.set_yscale("log")
    return figure


def of_picture(one: Picture) -> Any:
    """Return a figure of points, lines or bars."""
    with _axes(one.title, one.x_label, one.y_label) as (figure, axes):
        coloured = [shape for shape in one.shapes if shape.kind != "guide"]
        for shape in one.shapes:
            colour = _COLOURS[coloured.index(shape) % len(_COLOURS)] if shape in coloured else _GREY
            if shape.kind == "bars":
                axes.stairs(shape.y, shape.x, fill=True, color=colour)
            elif shape.kind == "points":
                axes.plot(shape.x, shape.y, ".", color=colour, markersize=3, alpha=0.5)
            elif shape.kind == "guide":
                axes.plot(shape.x, shape.y, "--", color=colour, linewidth=1)
            else:
                axes.plot(shape.x, shape.y, color=colour, label=_plain(shape.label) or None, linewidth=1.4)
    return figure


def of_ranking(lines: Sequence[tuple[str, float, float]]) -> Any:
    """Return bars of the importance of features, the highest first."""
    with _axes("Importance of features", "the loss rises by", "") as (figure, axes):
        names, values, spreads = zip(*reversed(lines), strict=True)
        axes.barh(range(len(names)), values, xerr=spreads, color=_COLOURS[0])
        axes.set_yticks(range(len(names)), [_plain(name)[:30] for name in names])
    return figure


def of_ranks(times: Sequence[dict[str, float]]) -> Any:
    """Return stacked bars of the seconds of each rank."""
    with _axes("Seconds of each rank", "seconds", "rank") as (figure, axes):
        before = np.zeros(len(times))
        for i, kind in enumerate(KINDS):
            seconds = np.array([one[f"{kind}_s"] for one in times])
            axes.barh(range(len(times)), seconds, left=before, color=_COLOURS[i], label=kind)
            before += seconds
    return figure


def of_trials(trials: Trials) -> Any:
    """Return a line for each trial through its settings to its score, the best one in another colour."""
    with _axes(trials.title, "", "") as (figure, axes):
        columns = [places([row[1][i] for row in trials.rows]) for i in range(len(trials.names))]
        for rank in reversed(range(len(trials.rows))):
            heights = [np.nan if (part := column[0][rank]) is None else part for column in columns]
            colour, width = (_COLOURS[1], 2.5) if rank == 0 else (_COLOURS[0], 1.0)
            alpha = 1.0 if rank == 0 else 0.35
            axes.plot(range(len(columns)), heights, ".-", markersize=4, color=colour, linewidth=width, alpha=alpha)
        for i, (_, texts) in enumerate(columns):
            for height, text in apart(texts):
                axes.text(i, height, _plain(text)[:14], fontsize=7)
        axes.set_xticks(range(len(columns)), [_plain(head_of(name)) for name in trials.names], fontsize=7)
        axes.set_yticks([])
    return figure


def of_confusion(sheet: AnswerSheet) -> Any:
    """Return the rows of each class by their answer: the darker, the larger a part of their class."""
    counts = np.array(sheet.metrics["confusion"])
    names = [_plain(name)[:14] for name in sheet.schema.classes or ()]
    with _axes("Confusion: rows of each class, by their answer", "answer", "class") as (figure, axes):
        axes.grid(visible=False)
        parts = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
        axes.imshow(parts, cmap="Blues", vmin=0, vmax=1)
        size = max(4, 8 - len(names) // 8)
        axes.set_xticks(range(len(names)), names, fontsize=size, rotation=90 * (len(names) > 4))
        axes.set_yticks(range(len(names)), names, fontsize=size)
        for (row, column), count in np.ndenumerate(counts if len(names) <= _MOST_NUMBERS else counts[:0]):
            colour = "white" if parts[row, column] > 0.5 else "black"
            axes.text(column, row, str(count), ha="center", va="center", fontsize=size, color=colour)
    return figure


def of_grid(found: Importance) -> Any:
    """Return the importance of the parts of an image, in their places."""
    with _axes("Importance of the parts of an image: the loss rises by", "", "") as (figure, axes):
        axes.grid(visible=False)
        drawn = axes.imshow(found.rise.mean(axis=1).reshape(found.grid), cmap="Blues")
        axes.set_xticks([])
        axes.set_yticks([])
        figure.colorbar(drawn)
    return figure
