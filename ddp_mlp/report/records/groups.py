"""Groups of runs that differ in nothing but their seed or fold, and the score that runs are compared by."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ddp_mlp.errors import listed
from ddp_mlp.report.records.differences import differences
from ddp_mlp.report.records.record import Record

#: Keys by which runs are repeats of each other, and scores of which more is better.
_REPEATS = {"data.fold", "data.folds", "data.split_seed", "train.seed"}
#: Keys by which the rows that validate are chosen, but for folds.
_ROWS = ("train", "valid", "features", "targets", "task", "autoencode")
_MORE_IS_BETTER = {"valid_accuracy", "valid_r2", "valid_macro_f1", "valid_roc_auc"}


@dataclass(frozen=True)
class Group:
    """Runs that are repeats of each other.

    Attributes
    ----------
    values : dict of str to Any
        The settings in which groups differ.
    records : tuple of Record
    scores : tuple of float
        Of those that have one, at their best epochs.
    """

    values: dict[str, Any]
    records: tuple[Record, ...]
    scores: tuple[float, ...]

    @property
    def name(self) -> str:
        """Name of its run, or of the directories that hold its runs; of runs side by side, the first and how many."""
        names = [record.name for record in self.records]
        if len(names) == 1:
            return names[0]
        folders = list(dict.fromkeys(name.rpartition("/")[0] for name in names))
        return f"{len(names)} runs, {names[0]}, ..." if "" in folders else listed(folders, 3)

    @property
    def mean(self) -> float | None:
        """Mean score; None without one."""
        return statistics.fmean(self.scores) if self.scores else None

    @property
    def spread(self) -> float | None:
        """Sample standard deviation of the scores; None of fewer than two."""
        return statistics.stdev(self.scores) if len(self.scores) > 1 else None


def compared(records: Sequence[Record]) -> list[Record]:
    """Return the runs that have a score beside each other: not those on all rows, which no row is left to measure."""
    return [record for record in records if record.setting("data", "all_rows") is not True] or [*records]


def score_name(records: Sequence[Record]) -> str:
    """Return the score that runs are compared by: the one that their study was asked to rank by.

    Without such a wish it is the loss where all measure it alike, else accuracy or RMSE. It is empty where nothing
    compares: there is no such column, or rows of other data validate.
    """
    records = compared(records)
    if any(len({repr(record.setting("data", key)) for record in records}) > 1 for key in _ROWS):
        return ""
    asked = {f"valid_{record.metric or 'loss'}" for record in records}
    if len(asked) == 1 and asked != {"valid_loss"} and any(record.score(*asked) is not None for record in records):
        return asked.pop()
    named = [set(record.history.named()) for record in records if len(record.history.epochs)]
    common = set.intersection(*named) if named else set()
    units = {record.status.get("loss_unit") for record in records} - {None}
    order = ["valid_loss", "valid_accuracy", "valid_rmse", "train_loss"]
    if len(units) > 1:
        order = ["valid_accuracy", "valid_rmse"]
    return next((name for name in order if name in common), "")


def score_of(record: Record, name: str) -> float | None:
    """Return the score of the best epoch of a run; None where it has none that is a number."""
    value = record.score(name)
    return value if value is not None and math.isfinite(value) else None


def is_better_higher(name: str) -> bool:
    """Tell whether more of a score is better."""
    return name in _MORE_IS_BETTER


def standing(record: Record) -> int:
    """Return how far a run has come, least the best: a study ranks those that pause below, failed ones not at all."""
    return {"paused": 1, "failed": 2, "died": 2}.get(record.state, 0)


def best_first(records: Sequence[Record]) -> list[Record]:
    """Return runs by their scores, the best first; those that pause, failed or have no score at the end."""
    score = score_name(records)
    sign = -1.0 if is_better_higher(score) else 1.0
    scores = {record.path: score_of(record, score) for record in compared(records)}
    known = {path: sign * value for path, value in scores.items() if value is not None}
    return sorted(records, key=lambda one: (one.path not in known, standing(one), known.get(one.path, 0.0)))


def ranking_score(records: Sequence[Record]) -> str:
    """Return the score by which a study was asked to rank all of these runs; empty where none was."""
    return score_name(records) if all(record.metric for record in compared(records)) else ""


def groups_of(records: Sequence[Record], score: str) -> list[Group]:
    """Return the groups of runs, the best mean score first, then those with a failed run, or without a score."""
    differing = {key: values for key, values in differences(records).items() if key not in _REPEATS}
    members: dict[str, list[int]] = {}
    for i in range(len(records)):
        members.setdefault(repr([values[i] for values in differing.values()]), []).append(i)
    groups = [
        Group(
            {key: values[places[0]] for key, values in differing.items()},
            tuple(records[i] for i in places),
            tuple(v for i in places if (v := score_of(records[i], score)) is not None),
        )
        for places in members.values()
    ]
    sign = -1.0 if is_better_higher(score) else 1.0
    return sorted(
        groups,
        key=lambda group: (group.mean is None, max(map(standing, group.records)), sign * (group.mean or 0.0)),
    )
