"""Metrics of an ensemble on the rows that validated its members."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ddp_mlp.checkpoint.ensemble import load_ensemble
from ddp_mlp.comm import Communicator, agreed
from ddp_mlp.engine.compilation import ready_kernels
from ddp_mlp.training.inference.application import Application
from ddp_mlp.training.inference.evaluators import evaluators_while_read
from ddp_mlp.training.inputs.own_rows import open_own
from ddp_mlp.training.inputs.tables import DataLocation
from ddp_mlp.training.problem import ignore


def validated(directory: Path, comm: Communicator) -> dict[str, Any] | None:
    """Collective. Return the metrics of an ensemble of seeds on the rows that validated it; None where none did.

    Raises
    ------
    MissingInputError, DataError
        If the ensemble is not whole, or the data are not there any more.
    """
    with agreed(comm):
        ensemble = load_ensemble(directory)
    first = ensemble.members[0]
    ready_kernels(first.parameters.dtype.name, comm, ignore)
    with ExitStack() as stack:
        with agreed(comm):
            portion = open_own(first, first.config.data, stack, 0).portions.get("valid")
        if portion is None:
            return None
        evaluators = evaluators_while_read(ensemble.members, [portion.split] * len(ensemble.members), comm)
        place = DataLocation(portion.location)
        return Application(
            ensemble.members, ensemble.names, "valid", portion.ids, evaluators, portion.split, place, portion.location
        ).evaluate()
