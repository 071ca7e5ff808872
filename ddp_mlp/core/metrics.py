"""Metrics from sums: each sample counted once, added in a fixed order."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.core.kernels.evaluation import (
    BLOCK_CORRECT,
    BLOCK_LOSS,
    BLOCK_SAMPLES,
    PER_TARGET,
    SUMS_PER_TARGET,
)


def sums_columns(task: str, n_outputs: int) -> int:
    """Return the number of sums that an evaluation keeps for each block of samples."""
    return PER_TARGET + (SUMS_PER_TARGET * n_outputs if task == "regression" else 0)


def metrics_from_sums(sums: NDArray[np.float64], task: str) -> dict[str, Any]:
    """Turn the sums of all blocks into the metrics of a task.

    Parameters
    ----------
    sums : ndarray of shape (n_blocks, columns)
        Sums of each block, in the order of the samples.
    task : str
        ``regression`` gives rmse, mae and r2 over all targets, others accuracy.

    Returns
    -------
    dict
        ``n_samples``, ``loss`` (mean), and the metrics; fractions in [0, 1].
    """
    total = [math.fsum(column) for column in sums.T]
    n_samples = int(total[BLOCK_SAMPLES])
    result: dict[str, Any] = {"n_samples": n_samples, "loss": total[BLOCK_LOSS] / n_samples}
    if task != "regression":
        return result | {"accuracy": total[BLOCK_CORRECT] / n_samples}
    per_target = np.array(total[PER_TARGET:]).reshape(-1, SUMS_PER_TARGET)
    squared, absolute, target, target_squared = per_target.T
    n_values = n_samples * len(per_target)
    variation = target_squared - target**2 / n_samples
    r2 = [1 - s / v if v > 0 else (1.0 if s == 0 else 0.0) for s, v in zip(squared, variation, strict=True)]
    return result | {
        "rmse": math.sqrt(math.fsum(squared) / n_values),
        "mae": math.fsum(absolute) / n_values,
        "r2": math.fsum(r2) / len(r2),
    }
