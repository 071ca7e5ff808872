"""The part of a page about the trials of a study: mean and spread over folds or seeds, and parallel coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ddp_mlp.report.pages.facts import METRICS
from ddp_mlp.report.pages.markup import Markup, as_set, element, table
from ddp_mlp.report.pages.threads import parallel_coordinates
from ddp_mlp.report.records.groups import Group, compared, groups_of, score_name
from ddp_mlp.report.records.record import Record

#: Axes, and lines from the fewest that are worth it to the most that eyes can follow.
_MOST_AXES, _FEWEST_LINES, _MOST_LINES = 8, 3, 200


def study_section(records: Sequence[Record]) -> list[Markup]:
    """Return the section about runs that are trials or repeats of each other; nothing where they are neither."""
    score, records = score_name(records), compared(records)
    groups = groups_of(records, score) if score else []
    trials = _trials(groups, score)
    found = _repeats(groups, score)
    found += [] if trials is None else [parallel_coordinates(trials.title, trials.names, trials.rows)]
    return [element("section", element("h2", "Trials"), *found)] if found else []


def _repeats(groups: Sequence[Group], score: str) -> list[Markup]:
    """Return a table of mean and spread, where any runs are repeats."""
    if all(len(group.records) == 1 for group in groups):  # or there are none
        return []
    keys = _varied(groups)
    lines = [
        [
            group.name, len(group.scores), group.mean, group.spread, *((min(group.scores), max(group.scores)) if
            group.scores else (None, None)), *(as_set(group.values[key]) for key in keys),
        ]
        for group in groups
    ]  # fmt: skip
    header = ["runs", "with a score", "mean", "spread", "lowest", "highest", *keys]
    caption = (
        f"{METRICS[score][0].upper()}{METRICS[score][1:]} over folds or seeds; spread is the sample standard deviation"
    )
    return [table(header, lines, caption=caption, sortable=True)]


def _varied(groups: Sequence[Group]) -> list[str]:
    """Return the settings that were varied; not those that one value of another brings along, as beta1 is of adam."""
    keys = groups[0].values if groups else {}
    return [key for key in keys if len({repr(v) for g in groups if (v := g.values[key]) is not None}) > 1]


@dataclass(frozen=True)
class Trials:
    """Trials whose settings and scores can be drawn.

    Attributes
    ----------
    title : str
    names : tuple of str
        The settings that were varied, and the score.
    rows : tuple of (str, list)
        Name of each trial and its value for each of these, the best first.
    """

    title: str
    names: tuple[str, ...]
    rows: tuple[tuple[str, list[Any]], ...]


def trials_of(records: Sequence[Record]) -> Trials | None:
    """Return the trials among some runs; None where they are too few, or differ in nothing."""
    score = score_name(records)
    return _trials(groups_of(compared(records), score), score) if score else None


def _trials(groups: Sequence[Group], score: str) -> Trials | None:
    scored = [group for group in groups if group.mean is not None]
    keys = _varied(scored)[:_MOST_AXES]
    if len(scored) < _FEWEST_LINES or not keys:
        return None
    rows = tuple((g.name, [*(g.values[key] for key in keys), g.mean]) for g in scored[:_MOST_LINES])
    few = f", the best {_MOST_LINES} of {len(scored)}" if len(scored) > _MOST_LINES else ""
    title = f"Settings and {METRICS[score]}{few}: the thick line is the best, {scored[0].name}"
    return Trials(title, (*keys, METRICS[score]), rows)
