"""Ends of a run: early stopping, a target, a search that is stuck; and what a resume makes of them."""

from __future__ import annotations

import csv
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from ddp_mlp.checkpoint.checkpoint import load_checkpoint
from ddp_mlp.checkpoint.model import load_model
from ddp_mlp.checkpoint.state import Progress
from ddp_mlp.config import Config, ScheduleConfig
from ddp_mlp.core.layout import digest
from ddp_mlp.errors import CheckpointError
from ddp_mlp.training.epoch_stats import final_row, note_validation, status_of, takes_last
from tests.runs import prepare
from tests.runs import train_here as train

CONFIG = """
[data]
train = "moons.h5"
valid_fraction = 0.3
[model]
hidden = [20]
activation = "tanh"
[optimizer]
name = "momentum"
learning_rate = 0.3
[train]
epochs = 60
early_stopping_patience = 0
global_batch_size = 16
micro_batches = 2
[checkpoint]
keep = 100
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("stopping"), CONFIG, "moons", 80, seed=1)


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / name / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


PATIENCE = "train.early_stopping_patience=3"


@pytest.fixture(scope="module")
def stopped(folder: Path) -> dict[str, Any]:
    return train(folder, "stopped", PATIENCE)


def test_early_stopping_ends_with_the_best_weights(folder: Path, stopped: dict[str, Any]) -> None:
    losses = [float(row["valid_loss"]) for row in rows(folder, "stopped")]
    best = int(np.argmin(losses)) + 1
    assert stopped["status"] == "early-stopped"
    assert (stopped["best_epoch"], stopped["epochs"]) == (best, best + 3)
    assert (stopped["valid_loss"], stopped["train_loss"]) == (
        losses[best - 1], float(rows(folder, "stopped")[best - 1]["train_loss"]),
    )  # fmt: skip
    model = load_model(folder / "stopped")
    assert (digest(model.parameters), model.epoch) == (stopped["weights_sha256"], best)
    status = json.loads((folder / "stopped" / "status.json").read_text())
    assert (status["state"], status["exit_code"]) == ("early-stopped", 0)


def test_the_best_weights_are_those_of_a_run_of_so_many_epochs(folder: Path, stopped: dict[str, Any]) -> None:
    short = train(folder, "short", f"train.epochs={stopped['best_epoch']}")
    assert short["weights_sha256"] == stopped["weights_sha256"]
    assert short["status"] == "finished"


def test_a_resume_of_a_stopped_run_prints_its_result(folder: Path, stopped: dict[str, Any]) -> None:
    again = train(folder, "stopped", PATIENCE, resume=True)
    timed = ("wall_s",)
    assert {k: v for k, v in again.items() if k not in timed} == {k: v for k, v in stopped.items() if k not in timed}
    assert len(rows(folder, "stopped")) == stopped["epochs"]


@pytest.mark.parametrize("epochs", [1, 2, -1])
def test_a_resumed_run_stops_at_the_same_epoch(folder: Path, stopped: dict[str, Any], epochs: int) -> None:
    """Interrupted early, or between the best epoch and the stop (-1)."""
    name, first = f"resumed{epochs}", epochs if epochs > 0 else stopped["best_epoch"] + 1
    train(folder, name, PATIENCE, f"train.epochs={first}")
    again = train(folder, name, PATIENCE, resume=True)
    same = ("status", "epochs", "best_epoch", "weights_sha256", "valid_loss", "train_loss")
    assert {key: again[key] for key in same} == {key: stopped[key] for key in same}


def test_more_patience_goes_on_as_if_it_had_been_there(folder: Path, stopped: dict[str, Any]) -> None:
    train(folder, "patient", PATIENCE)
    longer = f"train.epochs={stopped['epochs'] + 4}"
    resumed = train(folder, "patient", "train.early_stopping_patience=20", longer, resume=True)
    at_once = train(folder, "at-once", "train.early_stopping_patience=20", longer)
    assert resumed["weights_sha256"] == at_once["weights_sha256"]
    last = load_checkpoint(next((folder / "patient" / "checkpoints").glob(f"step-*{resumed['steps']}.h5")))
    assert last.state.progress.epoch == stopped["epochs"] + 4


def test_target_loss_ends_the_run(folder: Path) -> None:
    reached = train(folder, "target", "train.target_loss=0.3")
    losses = [float(row["train_loss"]) for row in rows(folder, "target")]
    assert reached["status"] == "target-reached"
    assert losses[-1] <= 0.3 < min(losses[:-1])
    assert reached["weights_sha256"] == train(folder, "plain", f"train.epochs={len(losses)}")["weights_sha256"]
    further = train(folder, "target", "train.target_loss=0.0", f"train.epochs={len(losses) + 1}", resume=True)
    assert (further["status"], further["epochs"]) == ("finished", len(losses) + 1)


@pytest.fixture
def downhill(tmp_path: Path) -> dict[str, Any]:
    prepare(
        tmp_path,
        '[data]\ntrain = "moons.h5"\nvalid_fraction = 0.0\n[model]\nhidden = []\n[loss]\nl2 = 0.1\n'
        '[optimizer]\nname = "line_search"\nlearning_rate = 8.0\n'
        '[train]\nepochs = 2000\nearly_stopping_patience = 0\nglobal_batch_size = "full"\nmicro_batches = 2\n',
        "moons",
        60,
        seed=1,
    )
    summary = train(tmp_path, "run")
    return {"summary": summary, "rows": rows(tmp_path, "run"), "again": train(tmp_path, "run", resume=True)}


def test_line_search_descends_until_nothing_is_left(downhill: dict[str, Any]) -> None:
    summary, found = downhill["summary"], downhill["rows"]
    objective = [float(row["train_loss"]) + float(row["penalty"]) for row in found]
    assert all(after < before for before, after in pairwise(objective[:-1]))
    assert summary["status"] == "early-stopped"
    assert summary["epochs"] < 2000
    assert float(found[-1]["learning_rate"]) == 0
    # At the bottom of the bowl, whose curvature is at least l2, the slope that float32 can
    # still descend is sqrt(eps f / eta): below 1e-3 for f < 1 and eta >= 0.1.
    assert float(found[-1]["grad_norm"]) < 1e-3
    rates = {float(row["learning_rate"]) for row in found[:-1]}
    assert rates <= {8.0 / 2**k for k in range(31)}
    assert downhill["again"]["weights_sha256"] == summary["weights_sha256"]
    assert downhill["again"]["status"] == "early-stopped"


@pytest.mark.parametrize("name", ["nesterov", "lamb", "rmsprop"])
def test_resumes_are_exact_with_schedules(folder: Path, name: str) -> None:
    rules = [f"optimizer.name={name}", "optimizer.learning_rate=0.05", "train.clip_norm=0.5", "loss.l1=1e-4"]
    rules += ["schedule.name=plateau", "schedule.patience=0", "schedule.factor=0.5", "schedule.warmup_steps=7"]
    if name == "nesterov":
        rules += ["optimizer.momentum=0.5", "optimizer.momentum_final=0.95", "optimizer.momentum_steps=20"]
    whole = train(folder, f"whole-{name}", "train.epochs=9", *rules)
    for stop in (1, 4, 7):
        train(folder, f"part-{name}-{stop}", f"train.epochs={stop}", *rules)
        resumed = train(folder, f"part-{name}-{stop}", "train.epochs=9", *rules, resume=True)
        assert resumed["weights_sha256"] == whole["weights_sha256"]
    read = [[row["learning_rate"], row["penalty"], row["train_loss"]] for row in rows(folder, f"part-{name}-4")]
    assert read == [[row["learning_rate"], row["penalty"], row["train_loss"]] for row in rows(folder, f"whole-{name}")]


def test_epochs_are_bound_where_the_rate_ends_with_the_run(folder: Path) -> None:
    train(folder, "bound", "train.epochs=2", "schedule.name=cosine")
    with pytest.raises(CheckpointError, match=r"\[train\] epochs: 2 in the checkpoint, 3 now"):
        train(folder, "bound", "train.epochs=3", "schedule.name=cosine", resume=True)
    train(folder, "free", "train.epochs=2", "schedule.name=cosine", "schedule.steps=20")
    longer = train(folder, "free", "train.epochs=3", "schedule.name=cosine", "schedule.steps=20", resume=True)
    assert longer["epochs"] == 3


def test_layer_norms_on_request(folder: Path) -> None:
    train(folder, "norms", "train.epochs=2", "train.log_layer_norms=true", "train.global_batch_size=full")
    for row in rows(folder, "norms"):
        parts = [float(row[f"grad_norm_layer{k}.weight"]) for k in (1, 2)]
        assert 0 < sum(part**2 for part in parts) ** 0.5 < float(row["grad_norm"]), "the biases are missing"
    train(folder, "no-norms", "train.epochs=1")
    assert [key for key in rows(folder, "no-norms")[0] if "layer" in key] == []


def config_of(**train: Any) -> Config:
    from ddp_mlp.config import DataConfig, TrainConfig

    return Config(DataConfig("x.h5"), train=TrainConfig(**train))


def test_rules_decide_from_the_finished_epochs_alone() -> None:
    row, best = {"train_loss": 0.1, "epoch": 5}, {"train_loss": 0.4, "epoch": 2}
    progress = Progress(epoch=5, best_epoch=2, last_row=row, best_row=best)
    assert status_of(progress, config_of(epochs=9, early_stopping_patience=0)) == ""
    assert status_of(progress, config_of(epochs=5)) == "finished"
    assert status_of(progress, config_of(epochs=9, early_stopping_patience=4)) == ""
    assert status_of(progress, config_of(epochs=9, early_stopping_patience=3)) == "early-stopped"
    assert status_of(progress, config_of(epochs=5, target_loss=0.11)) == "target-reached"
    assert final_row(progress, config_of(epochs=5, early_stopping_patience=0))["epoch"] == 5
    assert final_row(progress, config_of(epochs=5, early_stopping_patience=3))["epoch"] == 2
    assert final_row(Progress(), config_of()) == {}


HALVED = ScheduleConfig("plateau", patience=1, factor=0.5, min_rate=0.0)


def test_plateaus_shrink_the_rate_after_the_patience() -> None:
    config = msgspec.structs.replace(config_of(), schedule=HALVED)
    progress, factors = Progress(), []
    for loss in (3.0, 2.0, 2.0, 2.5, 2.4, 2.3, 1.0, float("nan")):
        note_validation(progress, loss, config)
        factors.append(progress.plateau_factor)
        progress.epoch += 1
    assert factors == [1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.25]
    assert (progress.best_loss, progress.best_epoch) == (1.0, 7)


def test_the_newest_epoch_may_be_the_model_and_leaves_the_plateaus_as_they_are() -> None:
    config = msgspec.structs.replace(config_of(early_stopping_patience=0), schedule=HALVED)
    of_all = msgspec.structs.replace(config, data=msgspec.structs.replace(config.data, all_rows=True))
    lowest, newest = Progress(), Progress()
    for loss in (3.0, 2.0, 2.5, 2.4, 1.0, 1.5):
        note_validation(lowest, loss, config)
        assert note_validation(newest, loss, of_all)
        lowest.epoch, newest.epoch = lowest.epoch + 1, newest.epoch + 1
        assert (newest.plateau_factor, newest.best_loss) == (lowest.plateau_factor, lowest.best_loss)
    assert (lowest.best_epoch, newest.best_epoch) == (5, 6)


def test_a_number_of_epochs_on_all_rows_ends_with_the_last_of_them() -> None:
    rules = {"all_rows": True}, {"all_rows": False}
    for data, patience, expected in [(rules[0], 0, True), (rules[0], 3, False), (rules[1], 0, False)]:
        config = config_of(epochs=5, early_stopping_patience=patience)
        config = msgspec.structs.replace(config, data=msgspec.structs.replace(config.data, **data))
        assert takes_last(config) is expected
