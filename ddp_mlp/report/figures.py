"""Figures for papers: each chart of a report as SVG and as PDF, drawn by Matplotlib, which is an extra."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from ddp_mlp.comm.rank_times import KINDS
from ddp_mlp.durable import write_chosen
from ddp_mlp.errors import OutputError, UsageError, printable
from ddp_mlp.report.findings.gathering import Findings
from ddp_mlp.report.findings.importance import ordered
from ddp_mlp.report.pages.answer_section import pictures_of
from ddp_mlp.report.pages.charts import MOST_CURVES, Chart, charts_of, label_of
from ddp_mlp.report.pages.drawing import Picture
from ddp_mlp.report.pages.ranks_section import rank_times
from ddp_mlp.report.pages.study_section import Trials, trials_of
from ddp_mlp.report.pages.threads import places
from ddp_mlp.report.records.record import Record

#: Inches of a figure, bars of a ranking, and the colours of the page, which eyes of every kind can tell apart.
_SIZE, _MOST_BARS = (5.0, 3.4), 20
_COLOURS = ("#0072b2", "#c24e00", "#007a59", "#a8487f", "#8a6100", "#1f7fb8", "#3a3f46", "#7a4fc0")
_GREY, _DASHES = "#545d68", ("-", "--", ":")
#: The same figure is the same file on any day, and fonts are embedded as outlines that printers have.
_STYLE = {"svg.hashsalt": "ddp-mlp", "pdf.fonttype": 42, "font.size": 9, "axes.grid": True, "grid.color": "#e6e9ee"}
_NO_DATE = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}


def write_figures(directory: Path, records: Sequence[Record], findings: Findings | None) -> list[Path]:
    """Write each chart of some runs as NAME.svg and NAME.pdf into a directory, and return the paths.

    Parameters
    ----------
    directory : Path
        Made if it is not there.
    findings : Findings or None
        About the one run.

    Raises
    ------
    UsageError
        If Matplotlib is not installed.
    OutputError, StorageError
        If a file cannot be written.
    """
    try:
        from matplotlib import rc_context
    except ImportError:
        raise UsageError("--figures needs Matplotlib; pip install 'ddp-mlp[figures]'") from None
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write to {directory}: {error.strerror}") from None
    written: list[Path] = []
    with rc_context(_STYLE), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of glyphs that a font lacks
        for name, figure in _figures(records[:MOST_CURVES], findings):
            file_name = _file_name(name, {path.stem for path in written})
            for kind, metadata in _NO_DATE.items():
                content = io.BytesIO()
                figure.savefig(content, format=kind, metadata=metadata)
                written.append(directory / f"{file_name}.{kind}")
                write_chosen(written[-1], content.getvalue())
    return written


def _file_name(text: str, taken: set[str]) -> str:
    """Return a name for a file that is safe anywhere, and is no other figure's."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-").lower()[:60] or "figure"
    return next(one for n in count(1) if (one := name if n == 1 else f"{name}-{n}") not in taken)


def _plain(text: str) -> str:
    """Return text in which Matplotlib sees no formula, and no label that it is to leave out."""
    return " " * text.startswith("_") + printable(text).replace("$", r"\$")


def _figures(records: Sequence[Record], findings: Findings | None) -> Iterator[tuple[str, Any]]:
    """Yield the name and the figure of each chart."""
    for chart in charts_of(records):
        yield chart.key, _of_curves(chart, records)
    if len(records) == 1 and (times := rank_times(records[0].status)):
        yield "ranks", _of_ranks(times)
    if len(records) > 1 and (trials := trials_of(records)) is not None:
        yield "trials", _of_trials(trials)
    if findings and findings.answers is not None:
        for one in pictures_of(findings.answers):
            yield one.title, _of_picture(one)
    if findings and findings.importance is not None:
        top = list(ordered(findings.importance))[:_MOST_BARS]
        yield "importance", _of_ranking(top)


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


def _of_curves(chart: Chart, records: Sequence[Record]) -> Any:
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
        if len(records) == 1 and records[0].history.best is not None:
            best = records[0].history.at("epoch", records[0].history.best)
            axes.axvline(best, color=_GREY, linestyle="--", linewidth=1)
        if chart.is_log:
            axes.set_yscale("log")
    return figure


def _of_picture(one: Picture) -> Any:
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


def _of_ranking(lines: Sequence[tuple[str, float, float]]) -> Any:
    with _axes("Importance of features", "the loss rises by", "") as (figure, axes):
        names, values, spreads = zip(*reversed(lines), strict=True)
        axes.barh(range(len(names)), values, xerr=spreads, color=_COLOURS[0])
        axes.set_yticks(range(len(names)), [_plain(name)[:30] for name in names])
    return figure


def _of_ranks(times: Sequence[dict[str, float]]) -> Any:
    with _axes("Seconds of each rank", "seconds", "rank") as (figure, axes):
        before = np.zeros(len(times))
        for i, kind in enumerate(KINDS):
            seconds = np.array([one[f"{kind}_s"] for one in times])
            axes.barh(range(len(times)), seconds, left=before, color=_COLOURS[i], label=kind)
            before += seconds
    return figure


def _of_trials(trials: Trials) -> Any:
    with _axes(trials.title, "", "") as (figure, axes):
        columns = [places([row[1][i] for row in trials.rows]) for i in range(len(trials.names))]
        for rank in reversed(range(len(trials.rows))):
            heights = [np.nan if (part := column[0][rank]) is None else part for column in columns]
            colour, width = (_COLOURS[1], 2.5) if rank == 0 else (_COLOURS[0], 1.0)
            axes.plot(range(len(columns)), heights, color=colour, linewidth=width, alpha=1.0 if rank == 0 else 0.35)
        for i, (_, texts) in enumerate(columns):
            for height, text in texts:
                axes.text(i, height, _plain(text)[:14], fontsize=7)
        axes.set_xticks(range(len(columns)), [_plain(name.rpartition(".")[2]) for name in trials.names], fontsize=7)
        axes.set_yticks([])
    return figure
