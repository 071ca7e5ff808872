"""The runs below a directory as a table: how each is, its best scores, and what differs between them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ddp_mlp.errors import MissingInputError, printable
from ddp_mlp.plain_files import is_directory
from ddp_mlp.report.records.differences import differences
from ddp_mlp.report.records.groups import best_first, is_better_higher, ranking_score
from ddp_mlp.report.records.record import Record, read_record
from ddp_mlp.report.records.state import holds_record

#: Folders below the directory in which runs are looked for: of studies, their trials, and the folds of these.
_DEEPEST = 4
#: Metrics that runs can be sorted by.
SCORES = ("loss", "accuracy", "rmse", "r2", "mae", "macro_f1", "roc_auc")
SORTS = ("name", "state", "epochs", "when", *SCORES)

Listing = dict[str, Any]


def find_runs(directory: Path) -> list[Path]:
    """Return the run directories below a directory, itself included, by name; links are not followed.

    Raises
    ------
    MissingInputError
        If it is no directory.
    """
    if not is_directory(directory):
        raise MissingInputError(f"{directory}: no such directory; name one that holds runs, such as runs")
    return list(_below(directory, _DEEPEST))


def _below(directory: Path, depth: int) -> Iterator[Path]:
    if holds_record(directory):
        yield directory
    try:
        with os.scandir(directory) as entries:
            names = sorted(e.name for e in entries if e.is_dir(follow_symlinks=False) and not e.name.startswith("."))
    except OSError:
        names = []
    for name in names if depth else []:
        if name != "checkpoints":
            yield from _below(directory / name, depth - 1)


def listing_of(directory: Path) -> list[Listing]:
    """Return the runs below a directory, each with its state, scores of its best epoch, time, and what differs.

    Raises
    ------
    MissingInputError
        If it is no directory.
    """
    return _lines(_records(directory), directory)


def ranked_listing(directory: Path) -> tuple[list[Listing], str]:
    """Return the runs below a directory, the best first where they are of a study that was asked for an order.

    The score of that order comes second; it is empty where runs are listed by name. Raises as `listing_of`.
    """
    records = _records(directory)
    score = ranking_score(records) if records else ""
    return _lines(best_first(records) if score else records, directory), score


def _records(directory: Path) -> list[Record]:
    return [read_record(path, with_model=False) for path in find_runs(directory)]


def _lines(records: Sequence[Record], directory: Path) -> list[Listing]:
    differing = differences(records)
    return [
        _line(record, directory, {key: values[i] for key, values in differing.items() if values[i] is not None})
        for i, record in enumerate(records)
    ]


def _line(record: Record, directory: Path, differs: dict[str, Any]) -> Listing:
    history, total = record.history, record.setting("train", "epochs")
    best = history.best
    scores = {score: record.score(f"valid_{score}") for score in SCORES}
    when = record.status.get("updated_utc")
    return {
        "run": printable(os.path.relpath(record.path, directory)) if record.path != directory else record.name,
        "state": printable(record.state),
        "epochs": int(history.epochs[-1]) if len(history.epochs) else 0,
        "of_epochs": total if isinstance(total, int) else None,
        "best_epoch": None if best is None else int(history.epochs[best]),
        "train_loss": history.at("train_loss", best),
        **{f"valid_{score}": value for score, value in scores.items() if value is not None},
        "when": printable(when) if isinstance(when, str) else "",
        "differs": differs,
    }


def sorted_by(lines: Sequence[Listing], key: str) -> list[Listing]:
    """Return lines in the order of a key of `SORTS`, the best score or the newest first; those without it last."""
    if key in SCORES:
        sign = -1 if is_better_higher(f"valid_{key}") else 1
        value = {id(line): line.get(f"valid_{key}") for line in lines}
        return sorted(lines, key=lambda line: (value[id(line)] is None, sign * (value[id(line)] or 0.0)))
    if key in ("when", "epochs"):
        return sorted(lines, key=lambda line: line[key], reverse=True)
    return sorted(lines, key=lambda line: line["run" if key == "name" else key])
