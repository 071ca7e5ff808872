"""Rows that are streamed: the bits of any ranks, of any file layout, and after any resume."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ddp_mlp.checkpoint.state import Progress, TrainState
from ddp_mlp.cluster.plan.workload import describe
from ddp_mlp.comm import SingleProcess
from ddp_mlp.config import Config, from_builtins
from ddp_mlp.core.initializers import initial_parameters
from ddp_mlp.core.kernels.evaluation_sums import EVALUATION_ROWS
from ddp_mlp.core.windows import Cut
from ddp_mlp.data.hdf5.chunks import corners
from ddp_mlp.data.hdf5.reading import Array
from ddp_mlp.engine import evaluated_rows
from ddp_mlp.errors import CheckpointError, DataError, UsageError
from ddp_mlp.run.run import Run, RunOptions
from ddp_mlp.training.fitting import Began
from ddp_mlp.training.gradcheck import check_configuration
from ddp_mlp.training.inference.files import Rows, apply_model
from ddp_mlp.training.inference.written_answers import write_answers
from ddp_mlp.training.problem import Problem, prepare
from ddp_mlp.training.streaming import cutting
from ddp_mlp.training.trainer import Trainer
from tests.thread_world import run_ranks

N_ROWS, N_FEATURES = 1500, 6
LAYOUTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "rows": {"chunks": (7, N_FEATURES), "compression": "gzip", "shuffle": True},
    "columns": {"chunks": (50, 1), "compression": "lzf"},
}


def write(path: Path, layout: str = "plain", n_rows: int = N_ROWS, dtype: str = ">f4") -> str:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(n_rows, N_FEATURES)) * 20 + 100
    y = (x[:, 0] > x[:, 1]).astype(int) + (x[:, 2] > 100)
    with h5py.File(path, "w", userblock_size=512) as file:
        file.create_dataset("train/features", data=x.astype(dtype), **LAYOUTS[layout])
        file["train/targets"] = y
        file["train/weights"] = rng.integers(0, 3, n_rows)
    return str(path)


def configured(path: str, residency: str = "stream", **tables: dict[str, Any]) -> Config:
    train = {"epochs": 3, "global_batch_size": 37, "micro_batches": 4, "seed": 5} | tables.pop("train", {})
    data = {"train": path, "residency": residency, "valid_fraction": 0.2} | tables.pop("data", {})
    raw = {"data": data, "model": {"hidden": [8]}, "train": train, "optimizer": {"name": "momentum"}}
    return from_builtins({**raw, **tables}, "test")


def trainer_of(config: Config, problem: Problem, comm: Any) -> Trainer:
    parameters = initial_parameters(problem.network, "he_normal", 5, config.train.dtype, 0.05)
    state = TrainState(parameters, np.zeros((1, len(parameters)), parameters.dtype), Progress())
    return Trainer(config, problem, state, comm, micro_batches=4, threads=1)


def trained(config: Config, comm: Any) -> tuple[str, list[Any]]:
    """Return the hash of the parameters, and the figures of each epoch."""
    trainer = trainer_of(config, prepare(config, comm), comm)
    try:
        rows = [report.finished_epoch for report in trainer.run() if report.finished_epoch]
        figures = [(row["train_loss"], row["valid_loss"], row["valid_accuracy"]) for row in rows]
        return hashlib.sha256(trainer._state.parameters.tobytes()).hexdigest(), figures
    finally:
        trainer.close()


@pytest.mark.parametrize("dtype", [">f4", "u1"])
def test_one_hash_on_any_ranks(tmp_path: Path, dtype: str) -> None:
    config = configured(write(tmp_path / "d.h5", dtype=dtype))
    alone = trained(config, SingleProcess())
    for node_sizes in ([2], [1, 2], [4]):
        assert run_ranks(node_sizes, lambda comm: trained(config, comm)) == [alone] * sum(node_sizes)


def rows_in_order(problem: Problem, config: Config, epoch: int, position: int = 0) -> list[bytes]:
    """Return the features of the rows of each step of an epoch, from a position on, as they are in memory."""
    feed = problem.feed(config, 37)
    order = np.zeros(feed.order_size, np.int64)
    n_steps, steps = -(-len(problem.train_ids) // 37), []
    feed.begin(order, epoch, position)
    while position < n_steps:
        bounds = feed.batches(order, position, min(3, n_steps - position))
        steps += [problem.resident.features[order[start:stop]].tobytes() for start, stop in bounds]
        position += len(bounds)
        feed.done(position)
    return steps


@pytest.mark.parametrize("layout", LAYOUTS)
def test_steps_take_each_row_once_and_go_on_anywhere(tmp_path: Path, layout: str) -> None:
    path = write(tmp_path / "d.h5", layout)
    config = configured(path)
    problem = prepare(config, SingleProcess())
    assert problem.stream is not None
    cut = problem.stream.cut
    assert cut.n_blocks(N_ROWS) > 1.5 * cut.window_blocks
    held = prepare(configured(path, "node"), SingleProcess())
    whole = rows_in_order(problem, config, 1)
    size = held.resident.features.shape[1]
    taken = b"".join(whole)
    rows = [taken[i : i + size] for i in range(0, len(taken), size)]
    assert sorted(rows) == sorted(row.tobytes() for row in held.resident.features[held.train_ids])
    for position in (1, 2, len(whole) // 2, len(whole) - 1):
        again = prepare(config, SingleProcess())
        assert rows_in_order(again, config, 1, position) == whole[position:]
    assert rows_in_order(problem, config, 1) == whole  # also once it has been elsewhere
    assert rows_in_order(problem, config, 2) != whole


@pytest.mark.parametrize("layout", ["rows", "columns"])
def test_each_chunk_is_read_once_an_epoch(tmp_path: Path, layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = configured(write(tmp_path / "d.h5", layout))
    problem = prepare(config, SingleProcess())
    feed = problem.feed(config, 37)
    order = np.zeros(feed.order_size, np.int64)
    assert problem.stream is not None
    problem.stream.reader.splits[0]._features._kept.clear()  # type: ignore[attr-defined]
    read: list[tuple[int, ...]] = []
    unwrapped = Array._fill

    def noted(self: Array, out: Any, first: list[int], count: list[int], *rest: Any) -> None:
        if self.found.chunks and "features" in self.name:
            read.extend(corners(self.found.chunks, first, count))
        unwrapped(self, out, first, count, *rest)

    monkeypatch.setattr(Array, "_fill", noted)
    position, n_steps = 0, -(-len(problem.train_ids) // 37)
    feed.begin(order, 2, 0)  # the last epoch: no other is read ahead
    while position < n_steps:
        position += len(feed.batches(order, position, min(5, n_steps - position)))
        feed.done(position)
    assert len(read) == len(set(read))
    assert len(read) == np.prod(
        [-(-n // c) for n, c in zip((N_ROWS, N_FEATURES), LAYOUTS[layout]["chunks"], strict=True)]
    )


def test_a_plan_counts_the_windows(tmp_path: Path) -> None:
    config = configured(write(tmp_path / "d.h5"), data={"valid_fraction": 0.0})
    stream = prepare(config, SingleProcess()).stream
    assert stream is not None
    held = sum(array.nbytes for array in (stream.memory.resident.features, stream.memory.resident.targets))
    assert describe(config).workload.data_bytes == held


def test_figures_of_validation_are_those_of_rows_in_memory(tmp_path: Path) -> None:
    path = write(tmp_path / "d.h5", "rows", 5000)
    found = []
    for residency in ("node", "stream"):
        config = configured(path, residency)
        trainer = trainer_of(config, prepare(config, SingleProcess()), SingleProcess())
        evaluator, ids = trainer._evaluator, trainer._problem.valid_ids
        found.append(evaluator.evaluate_in_detail(trainer._state.parameters, ids, None, 2))
        found.append(evaluator.predict(trainer._state.parameters, ids).tobytes())
        trainer.close()
    assert found[:2] == found[2:]


def run_to(out: Path, config: Config, stop_at: int = 0, *, resume: bool = False) -> dict[str, Any]:
    """Return the summary of a run, with the lines that it told; `stop_at` is the step after which it is stopped."""
    lines: list[str] = []
    training = Run(config, RunOptions(out, resume=resume), SingleProcess(), lines.append)

    def listen(report: Any) -> None:
        if report.step == stop_at:
            training.stop.ask("the test")

    return training.execute(listen) | {"lines": lines}


def test_a_run_that_stops_in_mid_epoch_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    path = write(tmp_path / "d.h5")
    config = configured(path, checkpoint={"every_steps": 1, "keep": 2})
    whole = run_to(tmp_path / "whole", config)
    assert whole["status"] == "finished"
    assert any(line.startswith("rows are streamed: ") for line in whole["lines"])
    stopped = run_to(tmp_path / "parts", config, 45)
    assert stopped["status"] == "stopped"
    assert stopped["steps"] % 33 != 0
    assert run_to(tmp_path / "parts", config, resume=True)["weights_sha256"] == whole["weights_sha256"]
    with pytest.raises(CheckpointError, match="residency: 'stream' in the checkpoint, 'node' now"):
        run_to(tmp_path / "parts", configured(path, "node"), resume=True)


@pytest.mark.parametrize("drawn", [{"model": {"hidden": [8], "dropout": 0.3}}, {"data": {"augment": {"noise": 0.1}}}])
def test_what_is_drawn_for_a_row_is_the_same_after_a_stop_in_any_window(tmp_path: Path, drawn: dict[str, Any]) -> None:
    """Rows lie where they did: dropout and augmentation draw by the place of a row in memory."""
    config = configured(write(tmp_path / "d.h5"), checkpoint={"every_steps": 1, "keep": 2}, **drawn)
    whole = run_to(tmp_path / "whole", config)
    for stop_at in (2, 12, 27, 33, 40, 66):
        assert run_to(tmp_path / str(stop_at), config, stop_at)["status"] == "stopped"
        assert run_to(tmp_path / str(stop_at), config, resume=True)["weights_sha256"] == whole["weights_sha256"]


def test_auto_goes_by_size_alone_and_as_the_run_began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = configured(write(tmp_path / "d.h5"), "auto")
    problem = prepare(config, SingleProcess())
    assert problem.stream is None
    began = Began(problem.schema, problem.normalization, problem.target_normalization)
    monkeypatch.setattr(cutting, "STREAM_FROM_BYTES", 1000)
    streamed = prepare(config, SingleProcess()).stream
    assert streamed is not None
    assert prepare(config, SingleProcess(), began=began).stream is None
    other = Cut(3, 80)
    cut = Began(problem.schema, problem.normalization, problem.target_normalization, other)
    assert prepare(config, SingleProcess(), began=cut).stream.cut == other  # type: ignore[union-attr]
    for strange in (Cut(1, 1), Cut(3, 10**6), Cut(10**7, 1000)):  # shorter than a batch, more than there are, too large
        with pytest.raises(DataError, match=r"streamed in .*, which cannot be"):
            prepare(config, SingleProcess(), began=Began(began.schema, began.features, None, strange))
    full = configured(config.data.train, "auto", train={"global_batch_size": "full"})
    assert prepare(full, SingleProcess()).stream is None


def test_what_cannot_be_streamed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "d.h5", "columns")
    with pytest.raises(UsageError, match='"full" needs all of them in each step; take a number'):
        prepare(configured(path, train={"global_batch_size": "full"}), SingleProcess())
    row_bytes = N_FEATURES * 4 + 4 + 4
    monkeypatch.setattr(cutting, "MOST_WINDOW_BYTES", 40 * row_bytes)
    with pytest.raises(DataError, match="features: its chunks are of 50 rows, and streaming holds 40 at a time"):
        prepare(configured(path), SingleProcess())
    monkeypatch.setattr(cutting, "MOST_WINDOW_BYTES", 800 * row_bytes)
    with pytest.raises(UsageError, match="a batch of 800 rows takes more memory than the 800 that streaming"):
        prepare(configured(path, train={"global_batch_size": 800}), SingleProcess())


def test_a_file_that_changes_ends_the_run_on_all_ranks(tmp_path: Path) -> None:
    path = write(tmp_path / "d.h5")
    config = configured(path)

    def on_rank(comm: Any) -> str:
        trainer = trainer_of(config, prepare(config, comm), comm)
        try:
            for _ in trainer.run():
                comm.barrier()
                if comm.rank == 0:
                    os.utime(path, (1, 1))
                comm.barrier()
        except DataError as error:
            return str(error)
        finally:
            trainer.close()
        return ""

    for message in run_ranks([2], on_rank):
        assert "it was written to while its rows were streamed" in message


def test_a_bad_row_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "d.h5", dtype="f8")
    config = configured(path)
    problem = prepare(config, SingleProcess())
    status = Path(path).stat()
    with h5py.File(path, "r+", locking=False) as file:
        file["train/features"][700, 2] = np.nan
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    trainer = trainer_of(config, problem, SingleProcess())
    with pytest.raises(DataError, match="nan at row 700 column 2"):
        list(trainer.run())
    trainer.close()


def test_gradients_are_checked_on_streamed_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "d.h5")
    assert check_configuration(configured(path), 20) == check_configuration(configured(path, "node"), 20)


def test_a_model_is_applied_to_a_file_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluated and answered by any ranks as from one piece, in the order of the rows."""
    data = write(tmp_path / "d.h5", "rows", 5000)
    Run(configured(data, "node"), RunOptions(tmp_path / "run"), SingleProcess(), lambda _: None).execute(lambda _: None)

    def on_rank(comm: Any) -> Any:
        with apply_model(tmp_path / "run", Rows(data, "train", answers_only=True), comm, lambda _: None) as applied:
            write_answers(applied, tmp_path / "p.csv", ["row", "target"], comm)
            return applied.evaluate(2), (tmp_path / "p.csv").read_text() if comm.rank == 0 else ""

    (expected,) = run_ranks([1], on_rank)
    assert expected[1].count("\n") == 5001
    monkeypatch.setattr(evaluated_rows, "PIECE_BYTES", 2 * EVALUATION_ROWS * (N_FEATURES + 1) * 4)
    for node_sizes in ([1], [2, 1]):
        found = run_ranks(node_sizes, on_rank)
        assert found[0] == expected
        assert all(figures == expected[0] for figures, _ in found)


def test_a_bad_row_leaves_no_answers(tmp_path: Path) -> None:
    data = write(tmp_path / "d.h5", dtype="f8")
    Run(configured(data, "node"), RunOptions(tmp_path / "run"), SingleProcess(), lambda _: None).execute(lambda _: None)
    with h5py.File(data, "r+") as file:
        file["train/features"][1400, 2] = np.inf

    def on_rank(comm: Any) -> None:
        with apply_model(tmp_path / "run", Rows(data, "train", answers_only=True), comm, lambda _: None) as applied:
            write_answers(applied, tmp_path / "p.h5", [], comm)

    with pytest.raises(DataError, match="inf at row 1400 column 2"):
        run_ranks([2], on_rank)
    assert not list(tmp_path.glob("*p.h5*"))


def test_one_answer_for_all_rows_is_warned_of(tmp_path: Path) -> None:
    path = write(tmp_path / "d.h5")
    with h5py.File(path, "r+") as file:
        file["train/targets"][:] = 1
    told: list[str] = []
    prepare(configured(path, data={"task": "binary"}), SingleProcess(), told.append)
    assert any(line.startswith("warning: all 1200 rows that train have class 1") for line in told)
