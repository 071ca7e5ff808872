"""Metrics of trials that no epoch reports: their models answer the rows that validated once more."""

from __future__ import annotations

import math
from contextlib import ExitStack
from pathlib import Path

from ddp_mlp.checkpoint.model import load_model
from ddp_mlp.comm import Communicator, agreed
from ddp_mlp.engine.compilation import ready_kernels
from ddp_mlp.engine.evaluation import Evaluator
from ddp_mlp.errors import UsageError
from ddp_mlp.training.inference.evaluators import reader_of
from ddp_mlp.training.inputs.own_rows import open_own
from ddp_mlp.training.problem import ignore

#: What each epoch reports, and what is measured at the end of a trial, by the tasks that have it.
OF_EPOCHS = {"loss": "", "accuracy": "classes", "rmse": "regression", "r2": "regression"}
MEASURED = {"mae": "regression", "macro_f1": "classes", "roc_auc": "two classes"}
METRICS = (*OF_EPOCHS, *MEASURED)


def require_metric(metric: str, task: str) -> None:
    """Raise UsageError for a metric that a task has not."""
    wanted = {**OF_EPOCHS, **MEASURED}[metric]
    kinds = {"regression": ("", "regression"), "binary": ("", "classes", "two classes"), "multiclass": ("", "classes")}
    if wanted not in kinds[task]:
        known = [name for name, kind in {**OF_EPOCHS, **MEASURED}.items() if kind in kinds[task]]
        raise UsageError(f"--metric {metric} is for {wanted}, but the data set is {task}; it has {', '.join(known)}")


def measured(directory: Path, metric: str | None, comm: Communicator) -> dict[str, float | None]:
    """Collective. Return a metric of the model of a run on the rows that validated it, by its name in summaries.

    It is empty for a metric that epochs report, and None where the rows do not have it, such as those of one class.
    """
    if metric not in MEASURED:
        return {}
    with agreed(comm):
        model = load_model(directory)
    ready_kernels(model.parameters.dtype.name, comm, ignore)
    with ExitStack() as stack:
        with agreed(comm):
            portion = open_own(model, model.config.data, stack, 0).portions.get("valid")
        if portion is None:
            return {f"best_valid_{metric}": None}
        evaluator = Evaluator(
            model.network, model.schema.task, reader_of(model, portion.split), comm, 1,
            target_normalization=model.target_normalization,
        )  # fmt: skip
        found = evaluator.evaluate_in_detail(model.parameters, portion.ids, None, 0).get(metric)
    return {f"best_valid_{metric}": float(found) if found is not None and math.isfinite(found) else None}
