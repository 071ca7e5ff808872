"""Steps that are not finite, left out on request: on all ranks alike, counted, and told."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ddp_mlp.checkpoint.checkpoint import list_checkpoints, load_checkpoint
from ddp_mlp.checkpoint.state import Progress
from ddp_mlp.config import load_config
from ddp_mlp.core.sampling import epoch_order
from ddp_mlp.errors import NonFiniteError, UsageError
from ddp_mlp.training.epoch_stats import norm_columns
from tests.runs import ddp_mlp
from tests.runs import train_here as train

N_SAMPLES, BATCH, BAD = 60, 6, 17
PER_EPOCH = N_SAMPLES // BATCH

CONFIG = """
[data]
train = "data.h5"
valid_fraction = 0.0
normalize = "none"
[model]
hidden = [8, 8]
[optimizer]
name = "adam"
learning_rate = 0.01
[train]
epochs = 4
global_batch_size = 6
micro_batches = 4
on_nonfinite = "skip"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty samples, one of them so large that every sum over it overflows."""
    path, rng = tmp_path_factory.mktemp("skipping"), np.random.default_rng(0)
    features = rng.normal(size=(N_SAMPLES, 12)).astype(np.float32)
    features[BAD] = 3e38
    with h5py.File(path / "data.h5", "w") as file:
        file["train/features"], file["train/targets"] = features, rng.integers(0, 3, N_SAMPLES)
    (path / "c.toml").write_text(CONFIG)
    return path


def bad_steps(epochs: int, seed: int = 0) -> list[int]:
    """Return the steps whose batch holds the large sample, counted from 1."""
    order = [epoch_order(np.arange(N_SAMPLES), seed, epoch).tolist() for epoch in range(epochs)]
    return [epoch * PER_EPOCH + ids.index(BAD) // BATCH + 1 for epoch, ids in enumerate(order)]


@pytest.fixture(scope="module")
def alone(folder: Path) -> dict[str, Any]:
    return train(folder, "alone")


def test_one_step_of_each_epoch_is_left_out_and_counted(folder: Path) -> None:
    told: list[str] = []
    summary = train(folder, "counted", told=told)
    assert (summary["steps"], summary["skipped_steps"], summary["status"]) == (4 * PER_EPOCH, 4, "finished")
    warnings = [line for line in told if line.startswith("warning: no update at step")]
    assert [int(line.split("step ")[1].split(":")[0]) for line in warnings] == bad_steps(4)
    assert all(line in (folder / "counted" / "log.txt").read_text() for line in warnings)
    with (folder / "counted" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["skipped_steps"] for row in rows] == ["1"] * 4
    assert all(0 < float(row["train_loss"]) < 10 and 0 < float(row["grad_norm"]) < 100 for row in rows)


def test_without_it_the_same_run_ends_there(folder: Path) -> None:
    with pytest.raises(NonFiniteError, match=f"at step {bad_steps(1)[0] - 1} of epoch 1"):
        train(folder, "stops", "train.on_nonfinite=stop", "checkpoint.every_steps=1")
    assert '"exit_code": 79' in (folder / "stops" / "status.json").read_text()
    saved = [load_checkpoint(path).state.progress.step for path in list_checkpoints(folder / "stops" / "checkpoints")]
    assert saved[0] == bad_steps(1)[0] - 1, "the last good one, untouched"


def test_the_update_is_left_out_whole(folder: Path) -> None:
    """Stopped before the bad step and after it, the vectors are the same."""
    step = bad_steps(1)[0]
    train(folder, "around", "checkpoint.every_steps=1", "checkpoint.keep=1000", "train.epochs=1")
    before, after, later = (
        load_checkpoint(folder / f"around/checkpoints/step-{k:08d}.h5").state for k in (step - 1, step, step + 1)
    )
    assert before.parameters.tobytes() == after.parameters.tobytes() != later.parameters.tobytes()
    assert before.moments.tobytes() == after.moments.tobytes()
    assert (after.progress.n_skipped, after.progress.position) == (1, step)
    assert after.progress.loss_sum == before.progress.loss_sum


@pytest.mark.mpi
@pytest.mark.parametrize(
    ("ranks", "threads", "environment"),
    [
        (3, 1, {}),
        (1, 2, {}),
        (2, 1, {"DDP_MLP_RANKS_PER_NODE": "1"}),
        (3, 1, {"DDP_MLP_RANKS_PER_NODE": "1", "DDP_MLP_TRAIN_SHARD_OPTIMIZER": "true"}),
    ],
)
def test_the_same_bits_on_any_ranks(
    folder: Path, alone: dict[str, Any], ranks: int, threads: int, environment: dict[str, str]
) -> None:
    name = f"ranks-{ranks}-{threads}-{len(environment)}"
    done = ddp_mlp("train", "c.toml", "--out", name, "--json", cwd=folder, ranks=ranks, threads=threads, **environment)
    same = ("weights_sha256", "train_loss", "skipped_steps", "steps")
    assert {key: done.result[key] for key in same} == {key: alone[key] for key in same}
    assert done.err.count("warning: no update at step") == 4


def test_the_same_bits_and_count_after_a_resume(folder: Path, alone: dict[str, Any]) -> None:
    first = train(folder, "resumed", "train.epochs=2")
    again = train(folder, "resumed", resume=True)
    assert first["skipped_steps"] == 2
    assert again["skipped_steps"] == 4
    assert again["weights_sha256"] == alone["weights_sha256"]


def test_an_epoch_without_any_update_is_an_error(folder: Path) -> None:
    with pytest.raises(NonFiniteError, match=r"at every step of epoch 1 \(all were left out\)"):
        train(folder, "never", "train.global_batch_size=full")


def test_not_with_a_line_search(folder: Path) -> None:
    rules = ["optimizer.name=line_search", "train.global_batch_size=full"]
    with pytest.raises(UsageError, match="on_nonfinite = 'skip' does not go with 'line_search'"):
        load_config(folder / "c.toml", rules, {})


def test_norms_are_means_over_the_steps_that_count() -> None:
    progress = Progress(position=5, n_skipped=1, norm_sum=8.0, layer_norm_sums=[4.0])
    assert norm_columns(progress, ["w"]) == {"grad_norm": 2.0, "grad_norm_w": 1.0}
