"""The best trials of a search once more, on all rows: those that validated train too.

Each is trained for as many epochs as its best had, or the mean over its folds; a schedule that ends with the run ends
with these. None validates, so nothing stops it early.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from ddp_mlp.comm import Communicator
from ddp_mlp.config import as_toml
from ddp_mlp.study.ranking import is_done
from ddp_mlp.study.sampler import Assignment
from ddp_mlp.study.study import Study, Summary
from ddp_mlp.study.trials import Tell, run_trial


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


def train_top(study: Study, order: Sequence[Summary], most: int, comm: Communicator, tell: Tell) -> list[Summary]:
    """Collective. Train the first so many trials on all rows, to ``top-1`` and so on; return their summaries.

    Parameters
    ----------
    order : sequence of dict
        Summaries of all trials on rank 0, the best first; elsewhere they are not asked for.
    """
    chosen = [
        {"of": summary["name"], "trial": on_all_rows(summary)}
        for summary in order[:most]
        if is_done(summary) and "pruned_after" not in summary
    ]
    shared = json.loads(comm.share_text(json.dumps(chosen if comm.rank == 0 else []))[0])
    own, found = replace(study, folds=0, metric=None), list[Summary]()
    for place, each in enumerate(shared, 1):
        name = f"top-{place}"
        goes_on = _goes_on(study, name, each["trial"], comm)
        options = replace(study.options, resume=goes_on, overwrite=not goes_on)
        summary = run_trial(replace(own, options=options), name, each["trial"], tell)
        found.append({**summary, "of": each["of"]})
        if summary["status"] == "stopped":
            break
    return found
