"""Which of several trials is the best: by what, and in which order."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

from ddp_mlp.comm import known_to_all
from ddp_mlp.errors import DdpMlpError, UsageError, error_from_code
from ddp_mlp.run.pausing import PAUSED

Summary = dict[str, Any]

#: What a ranking may be asked to go by.
METRICS = ("loss", "accuracy", "rmse", "r2")
#: Stand in for the loss, in this order, where its unit is not the same in all trials.
_WITHOUT_UNIT = ("best_valid_accuracy", "best_valid_rmse")
#: Said where trials were not all validated by the same rows.
BY_OTHER_ROWS = "so that scores differ by these rows too, and the best may be the one of the easiest rows"
HIGHER_IS_BETTER = ("accuracy", "r2", "macro_f1", "roc_auc")


def is_done(summary: Summary) -> bool:
    """Tell whether a trial has come to its end, so that it has a place in the ranking."""
    return summary["status"] not in ("failed", "stopped")


def ranking_metric(summaries: Sequence[Summary], asked: str | None = None) -> str:
    """Return the key of the summaries that ranks the trials that are done, all of their best epoch.

    It is the validation loss, or without validation the training loss; accuracy or RMSE where the loss of some
    trials is measured in another unit.

    Raises
    ------
    UsageError
        If there is nothing that all of them have in common; known to all ranks.
    """
    done = [summary for summary in summaries if is_done(summary)]
    units = sorted({summary["loss_unit"] for summary in done})
    loss = "best_valid_loss" if all("best_valid_loss" in summary for summary in done) else "best_train_loss"
    if asked not in (None, "loss"):
        _require(done, f"best_valid_{asked}", f"--metric {asked}")
        return f"best_valid_{asked}"
    if len(units) < 2:
        _require(done, loss, "--metric loss")
        return loss
    why = f"their losses are measured differently ({' against '.join(units[:2])})"
    common = next((name for name in _WITHOUT_UNIT if all(_has(summary, name) for summary in done)), "")
    if asked == "loss" or not common:
        other = f"rank by --metric {common.removeprefix('best_valid_')}" if common else "search for each with --set"
        raise known_to_all(UsageError(f"these trials cannot be ranked by loss: {why}; {other}"))
    return common


def _require(done: Sequence[Summary], name: str, option: str) -> None:
    lacking = next((summary for summary in done if name not in summary), None)
    if lacking is not None:
        has = ", ".join(key.removeprefix("best_") for key in lacking if key.startswith("best_") and key != "best_epoch")
        raise known_to_all(UsageError(f"{option}: {lacking['name']} has no {name.removeprefix('best_')}; it has {has}"))


def value_of(summary: Summary, asked: str | None) -> float | None:
    """Return the number of one trial by which others are chosen; None where it failed, or came to none."""
    loss = "best_valid_loss" if "best_valid_loss" in summary else "best_train_loss"
    value = summary.get(loss if asked in (None, "loss") else f"best_valid_{asked}") if is_done(summary) else None
    return value if isinstance(value, float) and math.isfinite(value) else None


def _has(summary: Summary, name: str) -> bool:
    return isinstance(summary.get(name), float)


def ranked(summaries: Sequence[Summary], metric: str) -> list[Summary]:
    """Return the trials, the best first; those that are not done, or have come to no number, at the end."""
    return sorted(summaries, key=lambda summary: _place(summary, metric))


def _place(summary: Summary, metric: str) -> tuple[int, int, float]:
    value = summary.get(metric)
    if not is_done(summary):
        return 3, 0, 0.0
    if not isinstance(value, float) or not math.isfinite(value):
        return 2, 0, 0.0
    if "pruned_after" in summary:  # those that came further are better
        return 1, -summary["pruned_after"], value_sign(metric) * value
    return 0, 0, value_sign(metric) * value


def value_sign(metric: str) -> int:
    """Return -1 for a metric of which more is better, else 1."""
    return -1 if metric.removeprefix("best_valid_") in HIGHER_IS_BETTER else 1


def all_failed(summaries: Sequence[Summary], word: str) -> DdpMlpError | None:
    """Return the error that a study ends with of which every run failed; known to all ranks."""
    if not summaries or any(summary["status"] != "failed" for summary in summaries):
        return None
    first = summaries[0]
    reason = f"all {len(summaries)} {word}s failed; {first['name']}: {first['reason']}"
    return known_to_all(error_from_code(first["exit_code"], reason))


def spread(summaries: Sequence[Summary]) -> dict[str, dict[str, float]]:
    """Return mean, sample standard deviation and standard error over the folds that are done, of every metric."""
    done = [summary for summary in summaries if is_done(summary)]
    metrics = [key for key in (done[0] if done else {}) if key.startswith(("train_loss", "valid_", "best_valid_"))]
    return {
        key: _figures(values)
        for key in metrics
        if all(isinstance(summary.get(key), float) for summary in done)
        for values in [[summary[key] for summary in done]]
    }


def _figures(values: list[float]) -> dict[str, float]:
    if not all(map(math.isfinite, values)):
        return {"mean": math.nan, "std": math.nan, "standard_error": math.nan}
    deviation = statistics.stdev(values) if len(values) > 1 else math.nan
    return {"mean": statistics.fmean(values), "std": deviation, "standard_error": deviation / math.sqrt(len(values))}


def over_folds(name: str, folds: Sequence[Summary]) -> Summary:
    """Return one trial's summary over its folds: means, and ``..._std``; failed or stopped if one of them is."""
    bad = next((fold for fold in folds if not is_done(fold)), None)
    if bad is not None:
        reason = f"{bad['name']}: {bad['reason']}" if "reason" in bad else bad["status"]
        found: Summary = {"status": bad["status"], "exit_code": bad.get("exit_code", 75), "reason": reason}
    else:
        figures = spread(folds)
        status = PAUSED if any(fold["status"] == PAUSED for fold in folds) else "finished"
        found = {"status": status, "loss_unit": "; ".join(fold["loss_unit"] for fold in folds)}
        found |= {key: figure["mean"] for key, figure in figures.items()}
        found |= {f"{key}_std": figure["std"] for key, figure in figures.items() if key.startswith("best_")}
    return {"name": name, **found, "folds": [*folds]}
