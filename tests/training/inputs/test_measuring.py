"""Fitting by all ranks: the statistics, to the bit, that one reader of all blocks finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ddp_mlp.comm import SingleProcess
from ddp_mlp.data.dataset.dataset import open_dataset
from ddp_mlp.data.normalization import BLOCK_ROWS
from ddp_mlp.data.statistics.column_stats import block_stats, fold_stats
from ddp_mlp.errors import DataError
from ddp_mlp.training.inputs.filling import fit_fill
from ddp_mlp.training.inputs.measuring import Facts, TrainingBlocks, measure
from tests.thread_world import run_ranks

N = 19 * BLOCK_ROWS + 5


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(2)
    with h5py.File(tmp_path_factory.mktemp("m") / "d.h5", "w") as file:
        x = rng.normal(1e3, 7, (N, 3)).astype(np.float32)
        x[rng.random(x.shape) < 0.1] = np.nan
        file["train/features"], file["train/targets"] = x, rng.integers(0, 4, N)
        return Path(file.filename)


def facts_of(found: Any) -> list[Any]:
    arrays = [found.span.low, found.span.high, found.span.n_missing, found.class_counts]
    arrays += [getattr(found.features, name) for name in ("mean", "squares", "low", "high")]
    return [array.tobytes() for array in arrays] + [found.features.count, found.targets.mean.tobytes()]


def test_ranks_find_what_one_finds(path: Path) -> None:
    train_ids = np.flatnonzero(np.random.default_rng(5).random(N) < 0.7)
    train_ids = train_ids[(train_ids < 3 * BLOCK_ROWS) | (train_ids >= 5 * BLOCK_ROWS)]  # blocks without any
    facts = Facts(span=True, features=True, targets=True, n_features=3, n_targets=1, n_classes=4, weights=True)

    def on_rank(comm: Any) -> list[Any]:
        with open_dataset(path) as file:
            blocks = TrainingBlocks(file.splits["train"].allowing_missing(), train_ids, comm)
            fill = fit_fill(blocks, 3, [[1, 2]])
            return [*facts_of(measure(blocks, facts, fill)), fill.tobytes()]

    (alone,) = run_ranks([1], on_rank)
    for node_sizes in ([2], [3], [4, 3], [30]):
        assert run_ranks(node_sizes, on_rank) == [alone] * sum(node_sizes)
    with h5py.File(path) as file:
        x = file["train/features"][:]
    fill = np.frombuffer(alone[-1])
    assert fill[0] == np.nanmedian(x[train_ids, 0].astype(float))
    parts = [x[train_ids[train_ids // BLOCK_ROWS == block]] for block in np.unique(train_ids // BLOCK_ROWS)]
    stats = fold_stats(block_stats(np.where(np.isnan(part), fill, part)) for part in parts)
    assert alone[4] == stats.mean.tobytes()
    assert alone[5] == stats.squares.tobytes()
    assert alone[0] == np.nanmin(x[train_ids], axis=0).astype(float).tobytes()


def test_rows_that_are_wrong_are_told_by_all(path: Path, tmp_path: Path) -> None:
    def on_rank(comm: Any) -> str:
        with open_dataset(path) as file, pytest.raises(DataError) as caught:
            measure(TrainingBlocks(file.splits["train"], np.arange(N), comm), Facts(span=True, n_features=3))
        return str(caught.value)

    for told in (*run_ranks([2], on_rank), on_rank(SingleProcess())):
        assert "missing values (NaN)" in told
