"""Files of predictions: HDF5, CSV or NPY."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.data.hdf5.guard import load_h5py
from ddp_mlp.data.schema import Schema
from ddp_mlp.durable import refuse_existing, write_chosen
from ddp_mlp.errors import UsageError

Outputs = NDArray[np.floating]


def check_target(path: Path, *, force: bool) -> None:
    """Raise unless predictions can be written to `path`.

    Raises
    ------
    UsageError
        If the suffix is not one of those that are known.
    OutputError
        If the file exists and `force` is False, its directory does not, or it is no plain file.
    """
    if path.suffix not in _WRITERS:
        raise UsageError(f"{path}: unknown kind of file; name it {', '.join(f'*{suffix}' for suffix in _WRITERS)}")
    refuse_existing(path, force=force)


@dataclass(frozen=True, eq=False)
class Answers:
    """The answers of a model for rows.

    Attributes
    ----------
    outputs : ndarray of shape (n, n_outputs)
        Values, or probabilities in [0, 1].
    schema : Schema
        Of the model.
    threshold : float
        A single output above it is class 1; where that is not 0.5, it is a score and no probability.
    beside : dict of str to sequence
        Further columns of a CSV file or data sets of an HDF5 file, by name, one value for each row.
    """

    outputs: Outputs
    schema: Schema
    threshold: float = 0.5
    beside: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def labels(self) -> NDArray[np.int64] | None:
        """Return the class of each row; None for a regression."""
        if self.schema.task == "regression":
            return None
        is_binary = self.schema.task == "binary"
        chosen = self.outputs[:, 0] > self.threshold if is_binary else self.outputs.argmax(axis=1)
        return chosen.astype(np.int64)

    def names(self) -> list[str]:
        """Return a name for each output."""
        schema, kind = self.schema, "p" if self.threshold == 0.5 else "score"
        if schema.classes is None:
            return list(schema.targets)
        return [f"{kind}({name})" for name in (schema.classes[1:] if schema.task == "binary" else schema.classes)]


def beside_answers(
    schema: Schema,
    ids: NDArray[np.int64],
    targets: NDArray[np.float64] | None,
    wanted: Sequence[str],
    texts: Callable[[Sequence[str]], dict[str, list[str]]],
) -> dict[str, list[Any]]:
    """Return the columns that are wanted beside answers.

    Parameters
    ----------
    schema : Schema
        Of the model.
    ids : ndarray of int64
        Numbers of the rows, from 0: what "row" means.
    targets : ndarray of float64, shape (n, T), or None
        What "target" means, where the data have any.
    wanted : sequence of str
        Names, in their order.
    texts : callable
        Returns the cells of columns of a table.

    Raises
    ------
    UsageError
        If there is no such column.
    """
    beside: dict[str, list[Any]] = {}
    for name in wanted:
        if name == "row":
            beside["row"] = ids.tolist()
        elif name == "target" and targets is not None:
            beside |= _target_columns(schema, targets)
        else:
            beside |= texts([name])
    return beside


def _target_columns(schema: Schema, targets: NDArray[np.float64]) -> dict[str, list[Any]]:
    if schema.classes is not None:
        return {"target": [schema.classes[int(label)] for label in targets[:, 0]]}
    return {f"target({name})": targets[:, i].tolist() for i, name in enumerate(schema.targets)}


def write_predictions(path: Path, answers: Answers) -> None:
    """Write answers, in the order of the rows.

    HDF5 and CSV hold, for a classification, the class of each sample and the probabilities;
    for a regression one column for each target. NPY holds the outputs alone. Numbers of a CSV
    file have as many digits as tell them from all others of their dtype.

    Raises
    ------
    OutputError, StorageError
        If it cannot be written; what was there stays.
    """
    write_chosen(path, _WRITERS[path.suffix](answers))


def _as_hdf5(answers: Answers) -> bytes:
    buffer, labels = io.BytesIO(), answers.labels()
    # Attributes of HDF5 1.8 may be longer than 64 KiB, as the names of many classes are.
    with load_h5py().File(buffer, "w", libver=("v108", "v110")) as file:
        file["outputs"] = answers.outputs
        file["outputs"].attrs["names"] = answers.names()
        if labels is not None:
            file["classes"] = labels
            if answers.schema.class_names:
                file["classes"].attrs["class_names"] = list(answers.schema.class_names)
        for name, values in answers.beside.items():
            file[f"beside/{name.replace('/', '_')}"] = list(values)
    return buffer.getvalue()


def _as_csv(answers: Answers) -> bytes:
    text, labels, class_names = io.StringIO(), answers.labels(), answers.schema.class_names
    columns: dict[str, Iterable[Any]] = dict(answers.beside)
    if labels is not None:
        columns = {"class": [class_names[i] if class_names else i for i in labels.tolist()]} | columns
    columns |= dict(zip(answers.names(), _shortest(answers.outputs).T.tolist(), strict=True))
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue().encode()


def _shortest(outputs: Outputs) -> NDArray[Any]:
    """Return numbers as the shortest texts that read back as the same numbers of their dtype."""
    return outputs.astype(str)


def _as_npy(answers: Answers) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, answers.outputs, allow_pickle=False)
    return buffer.getvalue()


_WRITERS: dict[str, Callable[[Answers], bytes]] = {".h5": _as_hdf5, ".csv": _as_csv, ".npy": _as_npy}
