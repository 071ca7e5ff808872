"""Stopped at random steps and resumed on other ranks, a run ends in the weights of one that was never stopped."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.runs import ddp_mlp, prepare
from tests.tiers import thorough

pytestmark = pytest.mark.mpi
FEW, SHORT, LONG = 2, 4, 20
EPOCHS, PER_EPOCH = 4, 57
#: All that has a state of its own: moments, streams of random numbers, plateaus, the best epoch.
CONFIG = f"""
[data]
train = "spirals.h5"
valid_fraction = 0.1
[data.augment]
noise = 0.05
[model]
hidden = [24, 24]
dropout = 0.1
[optimizer]
name = "adam"
learning_rate = 0.01
[schedule]
name = "plateau"
patience = 0
factor = 0.5
warmup_steps = 60
[train]
epochs = {EPOCHS}
global_batch_size = 16
micro_batches = 4
early_stopping_patience = 50
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("resume"), CONFIG, "spirals", 1000)


@pytest.fixture(scope="module")
def whole(folder: Path) -> dict[str, object]:
    result = ddp_mlp("train", "c.toml", "--out", "whole", "--json", cwd=folder).result
    assert result["steps"] == EPOCHS * PER_EPOCH
    return result


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" in metafunc.fixturenames:
        n_cases = LONG if metafunc.config.getoption("--long") else SHORT
        metafunc.parametrize("case", [k if k < FEW else thorough(k) for k in range(n_cases)])


def test_a_stop_at_a_random_step_changes_no_bit(folder: Path, whole: dict[str, object], case: int) -> None:
    rng = np.random.default_rng(case)
    name, ranks = f"case-{case}", rng.permutation([1, 2, 3, 4]).tolist()
    step, who = int(rng.integers(1, EPOCHS * PER_EPOCH - 20)), int(rng.integers(ranks[0]))
    often = f"checkpoint.every_steps={rng.integers(2, 12)}"  # also what limits the steps until a request is heard
    arguments = ["train", "c.toml", "--out", name, "--json", "--set", often]
    fault = ["signal", str(who), str(step)]
    stopped = ddp_mlp(*arguments, cwd=folder, ranks=ranks[0], fault=fault)
    assert stopped.code == 75, stopped.err
    at = json.loads(stopped.out)
    assert step <= at["steps"] < EPOCHS * PER_EPOCH
    resumed = ddp_mlp(*arguments, "--resume", cwd=folder, ranks=ranks[1]).result
    print(f"stopped at step {at['steps']} on {ranks[0]} ranks, resumed on {ranks[1]}")  # noqa: T201
    assert resumed["steps"] == EPOCHS * PER_EPOCH
    for key in ("weights_sha256", "train_loss", "valid_loss", "best_epoch"):
        assert resumed[key] == whole[key]
    assert ddp_mlp("compare", name, "whole", cwd=folder).code == 0
