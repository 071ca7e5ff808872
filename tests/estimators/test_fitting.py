"""A fit from its first step to its last."""

from __future__ import annotations

import signal
from contextlib import nullcontext

import numpy as np
import pytest

from ddp_mlp.errors import StoppedError
from ddp_mlp.estimators import fitting
from ddp_mlp.estimators.regressor import MLPRegressor


@pytest.mark.filterwarnings("ignore:.*Maximum iterations")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_comes_at_the_end_of_a_fit(number, monkeypatch):
    """Ctrl-C leaves what was fitted, as during it; a request of a batch system is not lost."""
    moments = fitting._moments

    def asked_late(*arguments):
        signal.raise_signal(number)
        return moments(*arguments)

    monkeypatch.setattr(fitting, "_moments", asked_late)
    x = np.random.default_rng(0).normal(size=(40, 3))
    estimator = MLPRegressor(hidden_layer_sizes=(4,), max_iter=2, random_state=0)
    with nullcontext() if number == signal.SIGINT else pytest.raises(StoppedError, match="told to stop by SIGTERM"):
        estimator.fit(x, x[:, 0])
