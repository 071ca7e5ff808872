"""The best trials of a search once more, on all rows: those that validated train too.

Each is trained for as many epochs as its best had, or the mean over its folds; a schedule that ends with the run ends
with these. None validates, so nothing stops it early.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ddp_mlp.comm import Communicator, agreed
from ddp_mlp.config import as_toml
from ddp_mlp.run.files.directory import RunDirectory
from ddp_mlp.run.files.lock import RunLock
from ddp_mlp.study.ranking import is_done
from ddp_mlp.study.sampler import Assignment
from ddp_mlp.study.study import Study, Summary
from ddp_mlp.study.trials import Tell, run_trial

_NAME = re.compile(r"top-[1-9][0-9]{0,5}")


def on_all_rows(summary: Summary) -> list[Assignment]:
    """Return the assignments with which a trial is trained on all rows."""
    best = [run["best_epoch"] for run in summary.get("folds", [summary])]
    epochs = max(1, round(sum(best) / len(best)))
    return [
        *summary["values"],
        *("data.all_rows=true", "data.valid_fraction=none", "data.folds=none", "data.fold=none"),
        *(f"train.epochs={epochs}", "train.early_stopping_patience=0", "train.target_loss=0"),
    ]


def _goes_on(study: Study, name: str, trial: Sequence[Assignment], comm: Communicator) -> bool:
    """Collective. Tell whether a directory holds this run; that of a trial which was better earlier gives way."""
    config, text = study.configure(trial), ""
    if comm.rank == 0:
        with suppress(OSError, UnicodeDecodeError):
            text = (study.options.directory / name / "config.toml").read_text()
    return comm.share_text("goes on" if text == as_toml(config) else "")[0] != ""


def _ranked_trials(order: Sequence[Summary], comm: Communicator) -> list[dict[str, Any]]:
    """Collective. Return the trials that have come to their end, the best first, as they are trained on all rows."""
    chosen = [
        {"of": summary["name"], "trial": on_all_rows(summary)}
        for summary in order
        if is_done(summary) and "pruned_after" not in summary
    ]
    shared: list[dict[str, Any]] = json.loads(comm.share_text(json.dumps(chosen if comm.rank == 0 else []))[0])
    return shared


def drop_outdated(study: Study, order: Sequence[Summary], comm: Communicator, tell: Tell) -> None:
    """Collective. Remove runs on all rows of an earlier start whose trials have other places now.

    Parameters
    ----------
    order : sequence of dict
        Summaries of all trials on rank 0, the best first; elsewhere they are not asked for.
    """
    directory = study.options.directory
    there = [path.name for path in directory.glob("top-*") if _NAME.fullmatch(path.name)] if comm.rank == 0 else []
    names = sorted(json.loads(comm.share_text(json.dumps(there))[0]))
    trials = _ranked_trials(order, comm) if names else []
    for name in names:
        place = int(name.removeprefix("top-"))
        if place > len(trials) or not _goes_on(study, name, trials[place - 1]["trial"], comm):
            with agreed(comm):
                if comm.rank == 0 and RunDirectory(directory / name).holds_run():
                    _remove(directory / name, tell)
                    tell(f"{name} of an earlier start is removed: its trial has another place now")


def _remove(directory: Path, tell: Tell) -> None:
    lock = RunLock(directory, tell)
    lock.acquire()
    try:
        RunDirectory(directory, lock.check).clear()
    finally:
        lock.release()
    with suppress(OSError):  # other files stay where they are
        RunDirectory(directory).checkpoints.rmdir()
        directory.rmdir()


def train_top(study: Study, order: Sequence[Summary], most: int, comm: Communicator, tell: Tell) -> list[Summary]:
    """Collective. Train the first so many trials on all rows, to ``top-1`` and so on; return their summaries.

    Parameters
    ----------
    order : sequence of dict
        Summaries of all trials on rank 0, the best first; elsewhere they are not asked for.
    """
    shared = _ranked_trials(order, comm)
    own, found = replace(study, folds=0, metric=None), list[Summary]()
    for place, each in enumerate(shared[:most], 1):
        name = f"top-{place}"
        goes_on = _goes_on(study, name, each["trial"], comm)
        options = replace(study.options, resume=goes_on, overwrite=not goes_on)
        summary = run_trial(replace(own, options=options), name, each["trial"], tell)
        found.append({**summary, "of": each["of"]})
        if summary["status"] == "stopped":
            break
    return found
