"""What optimisers, schedules, penalties and stopping rules refuse, and what they fill in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ddp_mlp.catalog.schedules import SCHEDULES
from ddp_mlp.config import Config, load_config
from ddp_mlp.errors import UsageError

STEPPED = ("schedule.name=step", "schedule.every_steps=10")


@pytest.fixture
def load(tmp_path: Path) -> Any:
    path = tmp_path / "run.toml"
    path.write_text('[data]\ntrain = "train.h5"\n')
    return lambda *overrides: load_config(path, overrides, {})


def problem(load: Any, *overrides: str) -> str:
    with pytest.raises(UsageError) as caught:
        load(*overrides)
    return str(caught.value)


@pytest.mark.parametrize("momentum", [-0.1, 1, 1.5])
@pytest.mark.parametrize("key", ["momentum", "momentum_final"])
def test_momentum_is_below_1(load: Any, key: str, momentum: float) -> None:
    assert f"[optimizer] {key} = {momentum}" in problem(load, "optimizer.name=nesterov", f"optimizer.{key}={momentum}")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["optimizer.momentum=0.5"], "momentum does not apply to 'adam'; it belongs to momentum, nesterov"),
        (["optimizer.name=adam", "optimizer.weight_decay=0.1"], "it belongs to adamw, lamb"),
        (["optimizer.name=adam", "optimizer.momentum_steps=3"], "it belongs to momentum, nesterov"),
        (["optimizer.name=adagrad", "optimizer.rho=0.5"], "it belongs to rmsprop"),
        (["optimizer.name=momentum", "optimizer.momentum_final=0.9"], "momentum_steps is missing"),
        (["optimizer.name=momentum", "optimizer.momentum_steps=9"], "momentum_final is missing"),
        (["schedule.steps=9"], "[schedule] steps does not apply to 'constant'; it belongs to linear, cosine"),
        (["schedule.name=cosine", "schedule.factor=0.5"], "it belongs to step, exponential, plateau"),
        (["schedule.name=step"], "[schedule] every_steps is missing: 'step' needs it"),
        (["schedule.name=exponential"], "[schedule] every_steps is missing"),
        ([*STEPPED, "schedule.patience=1"], "it belongs to plateau"),
        ([*STEPPED, "schedule.factor=1.0"], "[schedule] factor = 1.0"),
        (["schedule.name=steps"], "did you mean 'step'?"),
        (["loss.lq=0.1"], "[loss] q is missing"),
        (["loss.q=2.0"], "[loss] q applies only with lq > 0"),
        (["loss.lq=0.1", "loss.q=0.5"], "[loss] q = 0.5"),
        (["loss.l2=-1.0"], "[loss] l2 = -1.0"),
        (["train.clip_norm=-1.0"], "[train] clip_norm = -1.0"),
        (["train.early_stopping_patience=-1"], "[train] early_stopping_patience = -1"),
        (["optimizer.name=line_search"], 'needs [train] global_batch_size = "full", not 64'),
        (
            ["optimizer.name=line_search", "train.global_batch_size=full", "train.clip_norm=1.0"],
            "clip_norm does not apply to 'line_search'",
        ),
        (
            ["optimizer.name=line_search", "train.global_batch_size=full", "train.dtype=bfloat16"],
            "dtype = 'bfloat16' does not go with 'line_search'",
        ),
        (
            ["optimizer.name=line_search", "train.global_batch_size=full", "model.dropout=0.5"],
            "dropout does not go with 'line_search'",
        ),
        (
            ["optimizer.name=line_search", "train.global_batch_size=full", "data.augment={noise = 0.1}"],
            "[data.augment] does not go with 'line_search'",
        ),
    ],
)
def test_what_does_not_apply_is_refused(load: Any, overrides: list[str], message: str) -> None:
    assert message in problem(load, *overrides)


@pytest.mark.parametrize("name", SCHEDULES)
def test_each_schedule_resolves_its_own_keys(load: Any, name: str) -> None:
    needs = ["schedule.every_steps=10"] if "every_steps" in SCHEDULES[name].keys else []
    config: Config = load(f"schedule.name={name}", "schedule.warmup_steps=3", *needs)
    given = {"name", "warmup_steps"} | ({"every_steps"} if needs else set())
    for key, default in SCHEDULES[name].defaults.items():
        if key not in given and default is not None:
            assert getattr(config.schedule, key) == default
    absent = {"steps", "final_rate", "every_steps", "factor", "patience", "min_rate"} - SCHEDULES[name].keys.keys()
    assert [key for key in absent if getattr(config.schedule, key) is not None] == []


def test_the_linear_schedule_ends_at_a_hundredth_of_the_rate(load: Any) -> None:
    assert load("schedule.name=linear", "optimizer.learning_rate=0.5").schedule.final_rate == 0.005
    assert load("schedule.name=linear", "schedule.final_rate=0").schedule.final_rate == 0


def test_line_search_takes_all_samples_at_once(load: Any) -> None:
    config = load("optimizer.name=line_search", "train.global_batch_size=full", "model.dropout=0.0", "loss.l2=0.1")
    assert (config.optimizer.name, config.optimizer.momentum) == ("line_search", None)
