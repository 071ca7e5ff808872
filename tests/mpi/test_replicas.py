"""Ranks that differ are found: before the first step, at every save and every n steps; nothing is saved from them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ddp_mlp.checkpoint.checkpoint import list_checkpoints, load_checkpoint
from ddp_mlp.checkpoint.state import Progress, TrainState
from ddp_mlp.comm import SingleProcess, require_same
from ddp_mlp.errors import LaunchError, NonFiniteError
from ddp_mlp.run.rank_checks import check_finite
from tests.runs import Finished, ddp_mlp, make_data

pytestmark = pytest.mark.mpi

CONFIG = """
[data]
train = "moons.h5"
[model]
hidden = [6]
[optimizer]
name = "momentum"
learning_rate = 0.1
[train]
epochs = 6
global_batch_size = 8
micro_batches = 4
check_ranks_every = 4
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("replicas")
    for name, seed in (("moons", 0), ("others", 1)):
        make_data(path, "moons", 100, seed, f"{name}.h5")
    (path / "c.toml").write_text(CONFIG)
    return path


def faulty(folder: Path, fault: list[str], out: str, *arguments: str, ranks: int = 2) -> Finished:
    """Train on ranks that are nodes of their own, one of them with a fault."""
    command = ["train", "c.toml", "--out", out, *arguments]
    return ddp_mlp(*command, cwd=folder, ranks=ranks, fault=fault, DDP_MLP_RANKS_PER_NODE="1")


@pytest.mark.parametrize(("fault_rank", "ranks"), [(1, 2), (2, 4)])
def test_a_flipped_bit_is_found_before_it_spreads(folder: Path, fault_rank: int, ranks: int) -> None:
    """An epoch has 12 steps; the bit flips at step 14, the next comparison is at 16."""
    name = f"flipped-{fault_rank}"
    done = faulty(folder, ["flip", str(fault_rank), "14", "20"], name, ranks=ranks)
    assert (done.code, len(done.error_lines)) == (76, 1), done.err
    assert f"rank {fault_rank} on " in done.error_lines[0]
    assert "ranks differ at step 16:" in done.error_lines[0]
    assert "first in layer" in done.error_lines[0]
    saved = list_checkpoints(folder / name / "checkpoints")
    assert [load_checkpoint(path).state.progress.step for path in saved] == [12]
    status = json.loads((folder / name / "status.json").read_text())
    assert (status["state"], status["exit_code"]) == ("failed", 76)


def test_the_layer_is_named_and_a_save_looks_too(folder: Path) -> None:
    """Found at the save, so nothing has been updated since: only that layer differs."""
    done = faulty(folder, ["flip", "1", "24", "20"], "at-save", "--set", "train.check_ranks_every=0")
    assert done.code == 76, done.err
    assert "ranks differ at step 24: rank 1 on " in done.error_lines[0]
    assert "first in layer2.weight; nothing was saved" in done.error_lines[0]
    assert [p.name for p in list_checkpoints(folder / "at-save" / "checkpoints")] == ["step-00000012.h5"]


def test_what_was_saved_before_goes_on_to_the_right_bits(folder: Path) -> None:
    whole = ddp_mlp("train", "c.toml", "--out", "whole", "--json", cwd=folder).result
    assert faulty(folder, ["flip", "1", "30", "0"], "mended").code == 76
    resumed = ddp_mlp("train", "c.toml", "--out", "mended", "--resume", "--json", cwd=folder, ranks=2).result
    assert resumed["weights_sha256"] == whole["weights_sha256"]


DIFFERENT = {
    "configuration": (["set", "1", "DDP_MLP_TRAIN_SEED=7"], "[train] seed is 7, on rank 0 0"),
    "learning rate": (["set", "1", "DDP_MLP_OPTIMIZER_LEARNING_RATE=0.5"], "[optimizer] learning_rate is 0.5"),
    "threads": (["set", "1", "DDP_MLP_THREADS_PER_RANK=2"], "--threads-per-rank is 2, on rank 0 1"),
    "version": (["version", "1", "9.9"], "the version of ddp-mlp is 9.9"),
    "data": (["set", "1", "DDP_MLP_DATA_TRAIN=others.h5"], "the content of the data files is "),
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_ranks_that_were_not_started_alike_are_refused(folder: Path, what: str) -> None:
    fault, phrase = DIFFERENT[what]
    name = "start-" + what.replace(" ", "-")
    done = faulty(folder, fault, name)
    assert (done.code, len(done.error_lines)) == (76, 1), done.err
    assert "rank 1 on " in done.error_lines[0]
    assert phrase in done.error_lines[0]
    assert not list_checkpoints(folder / name / "checkpoints")
    assert not (folder / name / "config.toml").exists()


def test_copies_of_the_data_may_lie_elsewhere(folder: Path) -> None:
    (folder / "copy.h5").write_bytes((folder / "moons.h5").read_bytes())
    done = faulty(folder, ["set", "1", "DDP_MLP_DATA_TRAIN=copy.h5"], "copied")
    assert done.code == 0, done.err


class World(SingleProcess):
    """Rank 0 of ranks whose texts are given."""

    host = "n0"

    def __init__(self, *others: str) -> None:
        self.world_size = 1 + len(others)
        self._others = others

    def share_text(self, text: str) -> list[str]:
        return [text, *self._others]


def test_the_first_rank_that_differs_is_named_with_what_differs() -> None:
    same, other = json.dumps(["n1", {"a": "1", "b": "2"}]), json.dumps(["n2", {"a": "1", "b": "3", "c": "4"}])
    require_same(World(same, "", same), {"a": "1", "b": "2"}, "advice")
    with pytest.raises(LaunchError) as caught:
        require_same(World(same, "", other), {"a": "1", "b": "2"}, "advice")
    message = str(caught.value)
    assert message == "rank 3 on n2 does not match rank 0: b is 3, on rank 0 2, c is 4, on rank 0 None; advice"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("vector", ["parameters", "moments"])
def test_a_state_that_is_not_finite_is_not_worth_saving(vector: str, value: float) -> None:
    state = TrainState(np.ones(5, np.float32), np.ones((2, 5), np.float32), Progress(step=3))
    check_finite(SingleProcess(), state, str)
    getattr(state, vector).reshape(-1)[-1] = value
    with pytest.raises(NonFiniteError, match="by step 3; nothing was saved"):
        check_finite(SingleProcess(), state, str)
