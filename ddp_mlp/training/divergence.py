"""Why a training became non-finite, the likeliest reason first."""

from __future__ import annotations

import numpy as np

from ddp_mlp.catalog.optimizers import OPTIMIZERS
from ddp_mlp.config import Config
from ddp_mlp.training.problem import Problem

#: Values beyond this make steps long that are right for values about 1.
_FAR = 10.0
#: A rate that is large for optimisers of two moments, whose steps do not depend on the size of the gradient.
_LARGE_RATE = 0.01


def likeliest_cure(config: Config, problem: Problem, rate: float) -> str:
    """Return the likeliest cure, as a part of a sentence; the same on all ranks.

    Large targets of a regression come first, since no rate that is small enough for them learns anything in time;
    then features as they are in the file; then the learning rate.

    Parameters
    ----------
    rate : float
        Learning rate of the step.
    """
    causes = []
    if (
        problem.schema.task == "regression"
        and problem.target_normalization is None
        and (far := _farthest(problem)) > _FAR
    ):
        causes.append(f'the targets reach {far:.3g}: set [data] normalize_targets = "standard"')
    if config.data.normalize == "none":
        causes.append('the features are not normalised: set [data] normalize = "standard"')
    smaller = f"a smaller [optimizer] learning_rate than {rate:g} may help"
    if len(OPTIMIZERS[config.optimizer.name].moments) > 1 and rate > _LARGE_RATE:
        smaller = f"[optimizer] learning_rate = {rate:g} is large for {config.optimizer.name}; try 0.001"
    if not config.train.clip_norm and not causes:
        smaller += ", or [train] clip_norm = 1.0"
    return "; if that is not it, ".join([*causes, smaller])


def _farthest(problem: Problem) -> float:
    """Return the largest target of the training rows, in size; of those in memory where they are streamed."""
    targets = problem.resident.targets
    if problem.stream is None:
        targets = targets[problem.train_ids]
    return float(np.abs(targets).max(initial=0.0))
