"""The trials of a study as a table: one column for each key that was tried."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ddp_mlp.durable import write_whole

Summary = dict[str, Any]

#: Columns of ``trials.csv`` that come last, where a trial has them.
_LAST = ("exit_code", "reason", "run_dir")
_LEFT_OUT = ("name", "status", "values", "parameters", "folds", "understood", *_LAST)


def write_table(path: Path, summaries: Sequence[Summary]) -> None:
    """Write a row for each trial, in their order: name, status, a column for each key, then what it came to."""
    tried = list(dict.fromkeys(key for summary in summaries for key in summary["parameters"]))
    results = list(dict.fromkeys(key for summary in summaries for key in summary if key not in _LEFT_OUT))
    text = io.StringIO()
    names = ["name", "status", *tried, *results, *_LAST]
    writer = csv.DictWriter(text, fieldnames=names, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows({**summary, **_bare(summary["parameters"])} for summary in summaries)
    write_whole(path, text.getvalue().encode())


def _bare(parameters: dict[str, str]) -> dict[str, str]:
    """Return values without the quotes of TOML around words."""
    return {key: value[1:-1] if value.startswith('"') else value for key, value in parameters.items()}


def text_table(summaries: Sequence[Summary], metric: str) -> list[str]:
    """Return lines for a terminal: name, a column for each key, the metric that ranks, and other results."""
    tried = list(dict.fromkeys(key for summary in summaries for key in summary["parameters"]))
    best = [key for summary in summaries for key in summary if key.startswith("best_") and not key.endswith("_std")]
    shown = list(dict.fromkeys([metric, *best]))
    rows = [["trial", *tried, *(name.removeprefix("best_") if name != "best_epoch" else name for name in shown)]]
    for summary in summaries:
        cells = [_number(summary, name) for name in shown]
        if summary["status"] in ("failed", "stopped"):
            cells[0] = summary["status"]
        if "pruned_after" in summary:
            cells[0] += f" after {summary['pruned_after']}"
        rows.append([summary["name"], *(short_value(summary["parameters"].get(key, "")) for key in tried), *cells])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _number(summary: Summary, name: str) -> str:
    value = summary.get(name)
    if value is None:
        return "-"
    if isinstance(value, int):
        return str(value)
    error = summary.get(f"{name}_std")
    return f"{value:.5g}" + (f" +- {error:.2g}" if error is not None else "")


def short_value(text: str) -> str:
    """Return a value in TOML as a person reads it: a fraction in five digits, a whole number in all, words bare."""
    bare = _bare({"": text})[""]
    with suppress(ValueError):
        return bare if bare != text or float(bare).is_integer() else f"{float(bare):.5g}"
    return bare
