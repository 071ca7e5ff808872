"""Entries of the optimisers: the coefficients of a step, and where gradients are taken."""

from __future__ import annotations

import pytest

from ddp_mlp.catalog.optimizers import COEFFICIENTS, OPTIMIZERS, momentum_at
from ddp_mlp.config import OptimizerConfig


def coefficients(name: str, rate: float, step: int, **changed: float) -> tuple[float, ...]:
    config = OptimizerConfig(name=name, **(OPTIMIZERS[name].defaults | changed))  # type: ignore[arg-type]
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


def test_momentum_rises_linearly_and_stays() -> None:
    rising = OptimizerConfig("momentum", momentum=0.5, momentum_final=0.9, momentum_steps=4)
    assert [momentum_at(rising, step) for step in (0, 1, 2, 4, 9)] == pytest.approx([0.5, 0.6, 0.7, 0.9, 0.9])
    assert momentum_at(OptimizerConfig("nesterov", momentum=0.5), 10**6) == 0.5


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_resume_looks_ahead_by_what_the_step_before_has_left(name: str) -> None:
    """In the first step nothing has moved yet, and nothing may be computed of a step before it."""
    optimizer, settings = OPTIMIZERS[name], OptimizerConfig(name=name, **OPTIMIZERS[name].defaults)
    assert optimizer.look_ahead(settings, 0) == 0.0
    if optimizer.looks_ahead_by is None:
        assert optimizer.look_ahead(settings, 7) == 0.0
    else:
        assert optimizer.look_ahead(settings, 7) == coefficients(name, 0.3, 6)[optimizer.looks_ahead_by]
        assert 0 <= optimizer.looks_ahead_by < COEFFICIENTS
        assert optimizer.moments


def test_momentum_that_follows_a_schedule_looks_ahead_with_that_of_the_next_step() -> None:
    rising = OptimizerConfig("nesterov", momentum=0.5, momentum_final=0.9, momentum_steps=4)
    assert [OPTIMIZERS["nesterov"].look_ahead(rising, step) for step in (1, 2, 4)] == pytest.approx([0.6, 0.7, 0.9])
