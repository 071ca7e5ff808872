"""Schedules by their formulas: pure functions of the step."""

from __future__ import annotations

import pytest

from ddp_mlp.catalog.schedules import SCHEDULES
from ddp_mlp.config import ScheduleConfig
from ddp_mlp.core.schedules import learning_rate_at, resolve_schedule


def rates(config: ScheduleConfig, steps: list[int], factor: float = 1.0) -> list[float]:
    return [learning_rate_at(config, 0.8, step, factor) for step in steps]


@pytest.mark.parametrize(
    ("config", "steps", "expected"),
    [
        (ScheduleConfig(), [0, 1, 1000], [0.8, 0.8, 0.8]),
        (ScheduleConfig("linear", steps=4, final_rate=0.4), [0, 1, 2, 4, 5, 1000], [0.8, 0.7, 0.6, 0.4, 0.4, 0.4]),
        (ScheduleConfig("step", every_steps=3, factor=0.5), [0, 2, 3, 5, 6], [0.8, 0.8, 0.4, 0.4, 0.2]),
        (ScheduleConfig("exponential", every_steps=2, factor=0.25), [0, 1, 2, 3], [0.8, 0.4, 0.2, 0.1]),
        (ScheduleConfig("cosine", steps=6, final_rate=0.2), [0, 2, 3, 4, 6, 7], [0.8, 0.65, 0.5, 0.35, 0.2, 0.2]),
        (ScheduleConfig("plateau", factor=0.1, patience=1, min_rate=0.0), [0, 1, 1000], [0.8, 0.8, 0.8]),
    ],
)
def test_rates_are_those_of_the_formula(config: ScheduleConfig, steps: list[int], expected: list[float]) -> None:
    assert rates(config, steps) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("name", SCHEDULES)
def test_warm_up_is_a_ramp_before_step_0_of_the_schedule(name: str) -> None:
    keys = {"steps": 5, "final_rate": 0.1, "every_steps": 2, "factor": 0.5, "patience": 1, "min_rate": 0.0}
    plain, warm = ScheduleConfig(name, **keys), ScheduleConfig(name, warmup_steps=4, **keys)
    assert rates(warm, [0, 1, 2, 3]) == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert rates(warm, [4, 5, 6, 14]) == rates(plain, [0, 1, 2, 10])


def test_plateaus_leave_no_less_than_the_least_rate() -> None:
    config = ScheduleConfig("plateau", factor=0.5, patience=0, min_rate=0.1)
    assert rates(config, [3], 0.5) == [0.4]
    assert rates(config, [3], 2**-10) == [0.1]
    raised = ScheduleConfig("plateau", factor=0.5, patience=0, min_rate=5.0)
    assert rates(raised, [3], 0.5) == [0.8], "a least rate above the first one is no rise"


def test_a_schedule_without_last_step_ends_with_the_run() -> None:
    for name in ("linear", "cosine"):
        config = resolve_schedule(ScheduleConfig(name, warmup_steps=10, final_rate=0.0), 50)
        assert config.steps == 40
        assert rates(config, [50]) == [0.0]
    assert resolve_schedule(ScheduleConfig("linear", warmup_steps=60), 50).steps == 1
    given = ScheduleConfig("cosine", steps=7)
    assert resolve_schedule(given, 50) is given
    assert resolve_schedule(ScheduleConfig(), 50).steps is None
