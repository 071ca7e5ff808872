"""The answers of a run's model to rows whose targets are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.comm import SingleProcess
from ddp_mlp.core.kernels.numba_ext.cache import read_code
from ddp_mlp.data.schema import Schema
from ddp_mlp.errors import DataError, DdpMlpError
from ddp_mlp.report.records.record import Record
from ddp_mlp.training.inference.files import Rows, apply_model

#: Bytes of a data set that is read without being asked for.
_MOST_UNASKED_BYTES = 256 * 2**20


@dataclass(frozen=True, eq=False)
class AnswerSheet:
    """Answers beside what is true.

    Attributes
    ----------
    where : str
        The rows, in words.
    rows : ndarray of int64, shape (n,)
        Numbers of the rows in their split, from 0.
    outputs : ndarray of float64, shape (n, n_outputs)
        In units of the data, or probabilities (scores where `has_probabilities` is False).
    targets : ndarray of float64, shape (n, T)
        Labels are numbers of classes.
    metrics : dict
        As ``ddp-mlp evaluate --json`` gives them.
    """

    schema: Schema
    where: str
    rows: NDArray[np.int64]
    outputs: NDArray[np.float64]
    targets: NDArray[np.float64]
    metrics: dict[str, Any]
    has_probabilities: bool
    threshold: float


def answer(record: Record, data: str, split: str | None, tell: Callable[[str], None]) -> AnswerSheet:
    """Apply the model of a run to the rows of a file.

    Parameters
    ----------
    data : str
        ``F.h5``, ``F.h5:/group``, or a table of any format that can be imported.
    split : str or None
        None for the test split, else that which validates, else that which trains.
    tell : callable
        Called with each line about what was understood.

    Raises
    ------
    MissingInputError, DataError, UsageError
        If model or rows are not there or do not fit each other, or the rows have no targets.
    """
    with apply_model(record.path, Rows(data, split, answers_only=True), SingleProcess(), tell) as applied:
        if applied.targets is None:
            raise DataError(f"{data}: no targets in these rows that answers could be compared with; leave --data out")
        if not len(applied.ids):
            raise DataError(f"{data}: no rows in split {applied.split}; name another with --split")
        network = applied.model.network
        where = f"{len(applied.ids)} rows, {'validation' if split == 'valid' else applied.split}, of {data}"
        return AnswerSheet(
            applied.model.schema, where, applied.ids,
            applied.predict().astype(np.float64), applied.targets.astype(np.float64), applied.evaluate(),
            network.output in ("sigmoid", "softmax") and network.output_threshold == 0.5, network.output_threshold,
        )  # fmt: skip


def answer_unasked(record: Record) -> AnswerSheet | str:
    """Apply the model of a run to the rows that validated it, where that is cheap; else return the reason.

    It is where the run is over, its data set is still there and of moderate size, and kernels need no compiling.
    """
    data, dtype = record.setting("data", "train"), record.setting("train", "dtype")
    if record.state == "running" or record.schema is None or not isinstance(data, str):
        return ""
    if record.setting("data", "valid") is not None or record.setting("data", "features") is not None:
        return f"Answers are not shown, as the data have names of their own: give --data {data}"
    file = next((path for path in (Path(data), Path(data.rpartition(":/")[0])) if path.is_file()), None)
    if file is None:
        return f"Answers are not shown: {data} is not there any more."
    if file.stat().st_size > _MOST_UNASKED_BYTES:
        return f"Answers are not shown, as the data are large: give --data {data} --split valid"
    if read_code(dtype if isinstance(dtype, str) else "") is None:
        return "Answers are not shown: the kernels are not compiled here (ddp-mlp evaluate compiles them)."
    try:
        return answer(record, data, "valid", lambda _: None)
    except DdpMlpError as error:
        return f"Answers are not shown: {error}"
