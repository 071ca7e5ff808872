"""Coefficients of the optimisers: what goes into a step, before any vector is touched."""

from __future__ import annotations

import pytest

from ddp_mlp.config import OPTIMIZER_DEFAULTS, OptimizerConfig
from ddp_mlp.core.optimizers import OPTIMIZERS


def coefficients(name: str, rate: float, step: int, **changed: float) -> tuple[float, ...]:
    config = OptimizerConfig(name=name, **(OPTIMIZER_DEFAULTS[name] | changed))  # type: ignore[arg-type]
    return OPTIMIZERS[name].coefficients(config, rate, step)


def test_moments() -> None:
    assert OPTIMIZERS["sgd"].moments == ()
    assert OPTIMIZERS["momentum"].moments == ("velocity",)
    assert OPTIMIZERS["adam"].moments == ("first_moment", "second_moment")
    for name, optimizer in OPTIMIZERS.items():
        assert len(set(optimizer.moments)) == len(optimizer.moments), name


def test_sgd_and_momentum() -> None:
    assert coefficients("sgd", 0.25, 7) == (0.25,)
    assert coefficients("momentum", 0.25, 7, momentum=0.5) == (0.25, 0.5)


def test_adam_folds_both_corrections() -> None:
    """Step 0: s / (1 - beta1) and sqrt(r / (1 - beta2)); powers of two, so exact."""
    rate, keep1, take1, keep2, take2, root, eps = coefficients("adam", 1.0, 0, beta1=0.5, beta2=0.75, eps=0.125)
    assert (rate, keep1, take1, keep2, take2, root, eps) == (2.0, 0.5, 0.5, 0.75, 0.25, 2.0, 0.125)
    assert coefficients("adam", 1.0, 1, beta1=0.5)[0] == 1 / (1 - 0.25)


def test_corrections_of_adam_fade() -> None:
    rate, *_, root, _ = coefficients("adam", 0.1, 10**6)
    assert (rate, root) == (0.1, 1.0)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_rate_is_that_of_the_step(name: str) -> None:
    """A schedule changes the rate from step to step: twice the rate is twice the step."""
    slow, fast = coefficients(name, 0.25, 3), coefficients(name, 0.5, 3)
    assert fast[0] == 2 * slow[0]
    assert fast[1:] == slow[1:]
