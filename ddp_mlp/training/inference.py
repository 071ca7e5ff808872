"""Applying a model to a data set: evaluate and predict."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ddp_mlp.checkpoint.model import Facts, Model, load_model
from ddp_mlp.comm import Communicator, agreed
from ddp_mlp.core.layout import Floats
from ddp_mlp.data.dataset.dataset import DatasetFile, Split, open_dataset
from ddp_mlp.data.resident import Treatment, load_resident
from ddp_mlp.engine.compilation import ready_kernels
from ddp_mlp.engine.evaluation import Evaluator
from ddp_mlp.errors import DataError, UsageError
from ddp_mlp.training.row_memory import SharedAllocations

#: Tried in this order where no split is named.
_PREFERRED = ("test", "valid", "train")


@dataclass(frozen=True)
class Application:
    """A model and the rows it is applied to."""

    model: Model
    split: str
    n_samples: int
    evaluator: Evaluator

    def evaluate(self, top_k: int = 0) -> dict[str, Any]:
        """Collective. Return all metrics over all rows; `top_k` asks for that accuracy too."""
        facts = self.model.facts
        names = facts.target_names if facts.task == "regression" else facts.class_names
        return self.evaluator.evaluate_in_detail(self.model.parameters, np.arange(self.n_samples), names, top_k)

    def predict(self) -> Floats:
        """Collective. Return the outputs for all rows, shape (n, n_outputs)."""
        return self.evaluator.predict(self.model.parameters, np.arange(self.n_samples))


@contextmanager
def apply_model(
    location: Path, data: str, split_name: str | None, comm: Communicator, tell: Callable[[str], None]
) -> Iterator[Application]:
    """Collective. Load a model, and the rows of a split normalised as in its training.

    Raises
    ------
    MissingInputError, DataError
        If model or data are not there or not usable, or do not fit each other.
    UsageError
        If there is no such split.
    """
    with agreed(comm):
        model = load_model(location)
    dtype = model.parameters.dtype.name
    ready_kernels(dtype, comm, tell)
    with agreed(comm):
        file = open_dataset(data, features=model.config.data.features, targets=model.config.data.targets)
    with file:
        with agreed(comm):
            _check_fit(model, file, data)
            split = _choose(file, split_name, data)
        n_targets = model.facts.n_targets
        treatment = Treatment(model.normalization, model.targets, model.config.data.autoencode)
        memory = SharedAllocations(comm, [split], file.n_features, n_targets, dtype)
        with agreed(comm):
            resident = load_resident(
                [split], treatment, dtype, n_targets,
                allocate=memory.take, part=comm.local_rank, n_parts=comm.local_size,
            )  # fmt: skip
        comm.node_barrier()
    evaluator = Evaluator(model.network, model.facts.task, resident, comm, threads=1, targets=model.targets)
    yield Application(model, split.name, split.n_samples, evaluator)


def _check_fit(model: Model, file: DatasetFile, data: str) -> None:
    facts, found = model.facts, Facts.of(file, autoencode=model.config.data.autoencode)
    if (found.task, found.n_features, found.n_outputs) != (facts.task, facts.n_features, facts.n_outputs):
        raise DataError(
            f"{data}: a {file.task} data set of {file.n_features} features and {file.n_outputs} outputs, but the model "
            f"was trained on {facts.task} with {facts.n_features} features and {facts.n_outputs} outputs"
        )


def _choose(file: DatasetFile, name: str | None, data: str) -> Split:
    if name is None:
        name = next(preferred for preferred in _PREFERRED if preferred in file.splits)
    if name not in file.splits:
        raise UsageError(f"{data} has no split {name!r}; it has {', '.join(file.splits)}")
    return file.splits[name]
