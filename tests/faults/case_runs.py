"""Running a case on one of its layouts, in this process or on ranks, and all of it that must not change."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ddp_mlp.catalog.optimizers import OPTIMIZERS
from ddp_mlp.checkpoint.state import Progress, TrainState
from ddp_mlp.comm import Communicator, SingleProcess
from ddp_mlp.config import Config
from ddp_mlp.core import layer_table, sharding
from ddp_mlp.core.augmentation import augmentation_settings
from ddp_mlp.core.initializers import initial_parameters
from ddp_mlp.core.layout import digest
from ddp_mlp.core.network import build_network, check_trainable
from ddp_mlp.core.sampling import split_ids
from ddp_mlp.data.resident import load_resident
from ddp_mlp.data.rows import Rows
from ddp_mlp.data.schema import Schema
from ddp_mlp.engine import engine
from ddp_mlp.engine.evaluation import Evaluator
from ddp_mlp.errors import DdpMlpError
from ddp_mlp.training.fitting import fit_preprocessing, preprocessing_from_json
from ddp_mlp.training.inputs.row_memory import SharedAllocations
from ddp_mlp.training.inputs.understanding import understood
from ddp_mlp.training.problem import Problem
from ddp_mlp.training.trainer import Trainer
from tests.faults.cases import Case, Data, Layout
from tests.faults.guarded_memory import guarded_arrays, take
from tests.thread_world import run_ranks

#: Where the limits of `Layout.limits` stand, and of what type they are.
LIMITS: dict[str, tuple[Any, str, type]] = {
    "rows_at_once": (sharding, "_ROWS_AT_ONCE", int),
    "work_per_parameter": (sharding, "_WORK_PER_PARAMETER", float),
    "group_bytes": (engine, "GROUP_BYTES", int),
    "values_at_once": (layer_table, "_VALUES_AT_ONCE", int),
}
#: Columns of an epoch that tell of time.
_TIMES = ("samples_per_s", "compute_s", "communicate_s", "data_s", "wall_s")


@dataclass(frozen=True)
class Split:
    """Rows in memory, as `ddp_mlp.data.dataset.split.Split` has them in a file."""

    rows: Rows
    allows_missing: bool = False

    @property
    def n_samples(self) -> int:
        return len(self.rows.features)

    @property
    def feature_dtype(self) -> np.dtype[Any]:
        return self.rows.features.dtype

    @property
    def has_weights(self) -> bool:
        return self.rows.weights is not None

    def read(self, start: int, stop: int) -> Rows:
        weights = None if self.rows.weights is None else self.rows.weights[start:stop]
        return Rows(self.rows.features[start:stop], self.rows.targets[start:stop], weights)


def _split(data: Data, rows: int, seed: tuple[int, ...]) -> Split:
    rng = np.random.default_rng(seed)
    if data.as_bytes:
        features = rng.integers(0, 256, (rows, data.features)).astype(np.uint8)
    else:
        features = rng.normal(0, data.scale, (rows, data.features))
    if data.task == "regression":
        targets = rng.normal(0, 1, (rows, data.outputs))
    else:
        targets = rng.integers(0, max(2, data.outputs), (rows, 1)).astype(np.float64)
    weights = rng.integers(0, 3, rows) + (np.arange(rows) == 0.0) if data.weighted else None
    return Split(Rows(features, targets, weights))


def _problem(case: Case, config: Config, comm: Communicator) -> Problem:
    """Collective. Do what `ddp_mlp.training.problem.prepare` does, without a file."""
    data = case.data
    splits = [_split(data, data.rows, (case.seed, 0))]
    splits += [_split(data, data.valid_rows, (case.seed, 1))] if data.valid_rows else []
    facts = Schema(data.task, data.features, data.outputs, None, None, None, data.image or None)
    if config.data.autoencode:
        facts = Schema("regression", data.features, data.features, None, None, None, data.image or None)
        splits = [replace(split, rows=replace(split.rows, targets=np.zeros((split.n_samples, 0)))) for split in splits]
    network = build_network(config.model, config.loss, facts.task, facts.n_features, facts.n_outputs)
    check_trainable(network)
    if data.valid_rows:
        train_ids, valid_ids = np.arange(data.rows), np.arange(data.rows, data.rows + data.valid_rows)
    else:
        train_ids, valid_ids = split_ids(data.rows, config.data.valid_fraction or 0.0, config.train.seed)
    preprocessing = preprocessing_from_json(fit_preprocessing(config, facts, splits[0], train_ids, comm))  # type: ignore[arg-type]
    how = (splits, data.features, facts.n_targets, config.train.dtype)
    memory = SharedAllocations(comm, *how, weighted=preprocessing.weighted)  # type: ignore[arg-type]
    resident = load_resident(
        splits, preprocessing, config.train.dtype, facts.n_targets,  # type: ignore[arg-type]
        allocate=memory.take, part=comm.local_rank, n_parts=comm.local_size,
    )  # fmt: skip
    comm.node_barrier()
    augmentation = augmentation_settings(config.data.augment, facts.image_shape)
    known = understood(facts, preprocessing, (len(train_ids), len(valid_ids)), {})
    return Problem(
        network,
        facts,
        preprocessing.features,
        resident,
        train_ids,
        valid_ids,
        "",
        preprocessing.target_normalization,
        augmentation,
        known,
    )


def _state(case: Case, config: Config, problem: Problem) -> TrainState:
    parameters = initial_parameters(problem.network, config.model.init, config.train.seed, config.train.dtype)
    shape = len(OPTIMIZERS[config.optimizer.name].moments), len(parameters)
    moments = np.abs(np.random.default_rng(case.seed).normal(0, 1e-3, shape)) if case.is_warm else np.zeros(shape)
    return TrainState(parameters, moments.astype(config.train.dtype), Progress())


def _hash(values: Any) -> str:
    return hashlib.sha256(repr(values).encode()).hexdigest()[:16]


def train(case: Case, layout: Layout, comm: Communicator) -> dict[str, str]:
    """Collective. Train, and return hashes of all that must be the same on every layout; on rank 0."""
    config = case.config(layout)
    try:
        problem = _problem(case, config, comm)
    except DdpMlpError as refusal:
        return {"error": str(refusal)}
    state, found, rows = _state(case, config, problem), dict[str, str](), list[dict[str, Any]]()
    trainer = Trainer(config, problem, state, comm, micro_batches=case.micro_batches, threads=layout.threads)
    with closing(trainer):
        try:
            for report in trainer.run():
                if row := report.finished_epoch:
                    rows.append({key: value for key, value in row.items() if key not in _TIMES})
        except DdpMlpError as failure:
            found["error"] = str(failure)
        moments = trainer.copy_moments()
        comm.barrier()  # until nobody changes what is hashed now
        if comm.rank == 0:
            assert moments is not None
            found["parameters"], found["moments"] = digest(state.parameters), digest(moments.reshape(-1))
            found["history"] = _hash(rows)
        if case.predicts:
            found |= _answers(problem, state, comm, layout.threads)
        comm.barrier()
    return found


def _answers(problem: Problem, state: TrainState, comm: Communicator, threads: int) -> dict[str, str]:
    """Collective. Return hashes of metrics and predictions."""
    evaluator = Evaluator(
        problem.network,
        problem.schema.task,
        problem.resident,
        comm,
        threads,
        target_normalization=problem.target_normalization,
    )
    ids = problem.train_ids[::-1].copy()
    metrics = evaluator.evaluate_in_detail(state.parameters, ids)
    return {"metrics": _hash(metrics), "predictions": _hash(evaluator.predict(state.parameters, ids).tobytes())}


@contextmanager
def _limited(layout: Layout) -> Iterator[None]:
    before = {name: getattr(*LIMITS[name][:2]) for name in layout.limits}
    for name, value in layout.limits.items():
        module, constant, kind = LIMITS[name]
        setattr(module, constant, kind(value))
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(*LIMITS[name][:2], value)


def _private(self: SingleProcess, n_bytes: int, *, zeroed: bool = True) -> np.ndarray:
    return take(n_bytes, zeroed=zeroed)


@contextmanager
def _under(layout: Layout, *, guards: bool) -> Iterator[None]:
    """Run as a layout says, the memory of a rank alone at guarded pages."""
    node_shared = SingleProcess.node_shared
    with _limited(layout):
        if guards:
            SingleProcess.node_shared = _private  # type: ignore[method-assign]
        try:
            yield
        finally:
            SingleProcess.node_shared = node_shared  # type: ignore[method-assign]


def run_in_threads(case: Case, layout: Layout, *, guards: bool = True) -> dict[str, str]:
    """Run on ranks that are threads of this process."""

    def work(comm: Communicator) -> dict[str, str]:
        with guarded_arrays(layout.side) if guards else nullcontext():
            return train(case, layout, comm)

    with _under(layout, guards=guards):
        return run_ranks(layout.node_sizes, work, take if guards else None)[0]


def run_on_rank(case: Case, layout: Layout, comm: Communicator) -> dict[str, str]:
    """Collective. Run as one of the ranks of a launcher."""
    with _under(layout, guards=True), guarded_arrays(layout.side):
        return train(case, layout, comm)


def differing(expected: dict[str, str], found: dict[str, str], layout: Layout) -> str:
    """Return in words where bits differ, nothing where they do not."""
    wrong = [name for name in expected | found if expected.get(name) != found.get(name)]
    shown = {name: [expected.get(name), found.get(name)] for name in wrong}
    return f"{', '.join(wrong)} on {layout}: {json.dumps(shown)}" if wrong else ""


def differences(case: Case) -> str:
    """Run a case on all its layouts; return in words where bits differ, nothing where they do not."""
    expected = run_in_threads(case, case.layouts[0])
    for layout in case.layouts[1:]:
        if failure := differing(expected, run_in_threads(case, layout), layout):
            return failure
    return ""
