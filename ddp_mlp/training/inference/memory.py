"""Evaluating a model on rows in memory, in one process; `answering` has the way to its answers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ddp_mlp.checkpoint.model import Model
from ddp_mlp.comm import SingleProcess
from ddp_mlp.data.memory.held import HeldData
from ddp_mlp.engine.compilation import ready_kernels
from ddp_mlp.training.drift import remarks
from ddp_mlp.training.inference.answering import bound_rows
from ddp_mlp.training.inference.files import Application, evaluator_of
from ddp_mlp.training.inputs.tables import DataLocation


def apply_in_memory(model: Model, data: HeldData, tell: Callable[[str], None], *, threads: int) -> Application:
    """Return a model with rows in memory, bound to its schema and normalised as in its training; for one process.

    Parameters
    ----------
    data : HeldData
        Of one split.
    tell : callable
        Called with each line for the user.
    threads : int
        That compute.

    Raises
    ------
    DataError
        If the rows do not fit the model, or are not usable.
    """
    comm = SingleProcess()
    ready_kernels(model.parameters.dtype.name, comm, tell)
    split, notes = bound_rows(model, data, "unused" if model.config.data.autoencode else "needed")
    for note in notes:
        tell(note)
    evaluator = evaluator_of(model, split, comm, DataLocation(data.where), data.where, threads)
    for line in remarks(model.schema, model.normalization, split):
        tell(line)
    ids = np.arange(split.n_samples, dtype=np.int64)
    return Application(model, split.name, ids, evaluator, None, DataLocation(data.where))
