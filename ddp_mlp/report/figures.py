"""Figures for papers: each chart of a report as SVG and as PDF, drawn by Matplotlib, which is an extra."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from ddp_mlp.durable import write_chosen
from ddp_mlp.errors import OutputError, UsageError
from ddp_mlp.report.findings.gathering import Findings
from ddp_mlp.report.findings.importance import ordered
from ddp_mlp.report.pages.answer_section import MOST_CLASSES, pictures_of
from ddp_mlp.report.pages.charts import MOST_CURVES, charts_of
from ddp_mlp.report.pages.ranks_section import rank_times
from ddp_mlp.report.pages.spread_section import spread_pictures
from ddp_mlp.report.pages.study_section import trials_of
from ddp_mlp.report.plots import of_confusion, of_curves, of_grid, of_picture, of_ranking, of_ranks, of_trials
from ddp_mlp.report.records.record import Record

#: Bars of a ranking.
_MOST_BARS = 20
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


def _figures(records: Sequence[Record], findings: Findings | None) -> Iterator[tuple[str, Any]]:
    """Yield the name and the figure of each chart."""
    for chart in charts_of(records):
        yield chart.key, of_curves(chart, records)
    if len(records) == 1 and (times := rank_times(records[0].status)):
        yield "ranks", of_ranks(times)
    if len(records) > 1 and (trials := trials_of(records)) is not None:
        yield "trials", of_trials(trials)
    if findings and findings.answers is not None:
        for one in [*spread_pictures(findings.answers), *pictures_of(findings.answers)]:
            yield one.title, of_picture(one)
        if 0 < len(findings.answers.metrics.get("confusion", [])) <= MOST_CLASSES:
            yield "confusion", of_confusion(findings.answers)
    if findings and findings.importance is not None:
        found = findings.importance
        yield "importance", of_grid(found) if found.grid else of_ranking(list(ordered(found))[:_MOST_BARS])
