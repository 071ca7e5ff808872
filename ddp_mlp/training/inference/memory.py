"""Evaluating a model on rows in memory, in one process; `answering` has the way to its answers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ddp_mlp.checkpoint.ensemble import Ensemble, members_of
from ddp_mlp.checkpoint.model import Model
from ddp_mlp.comm import SingleProcess
from ddp_mlp.data.memory.held import HeldData
from ddp_mlp.engine.compilation import ready_kernels
from ddp_mlp.training.inference.answering import bound_rows
from ddp_mlp.training.inference.application import Application
from ddp_mlp.training.inference.evaluators import evaluators_in_memory
from ddp_mlp.training.inference.files import remarks_of
from ddp_mlp.training.inputs.tables import DataLocation


def apply_in_memory(
    trained: Model | Ensemble, data: HeldData, tell: Callable[[str], None], *, threads: int
) -> Application:
    """Return a model or ensemble with rows in memory, bound to its schema, normalised as in training; for one process.

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
    comm, members = SingleProcess(), members_of(trained)
    for dtype in dict.fromkeys(model.parameters.dtype.name for model in members):
        ready_kernels(dtype, comm, tell)
    bound = [bound_rows(m, data, "unused" if m.config.data.autoencode else "needed") for m in members]
    for note in bound[0][1]:
        tell(note)
    where, splits = DataLocation(data.where), [split for split, _ in bound]
    evaluators = evaluators_in_memory(members, splits, comm, where, data.where, threads)
    for line in remarks_of(members, splits):
        tell(line)
    ids = np.arange(splits[0].n_samples, dtype=np.int64)
    names = trained.names if isinstance(trained, Ensemble) else ()
    return Application(members, names, splits[0].name, ids, evaluators, None, where)
