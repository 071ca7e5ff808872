"""The answers of a model, with names, classes, and columns that stand beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.data.schema import Schema
from ddp_mlp.errors import DataError, counted

Outputs = NDArray[np.floating]


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
    spread : dict of str to ndarray of float64, shape (n, m)
        How far the members of an ensemble are from each other, see `ddp_mlp.core.ensembles.spread.Combined`; empty of
        one model.
    """

    outputs: Outputs
    schema: Schema
    threshold: float = 0.5
    beside: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    spread: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def labels(self) -> NDArray[np.int64] | None:
        """Return the class of each row; None for a regression.

        Raises
        ------
        DataError
            If a row has none, see `require_numbers`.
        """
        if self.schema.task == "regression":
            return None
        require_numbers(self.outputs)
        is_binary = self.schema.task == "binary"
        chosen = self.outputs[:, 0] > self.threshold if is_binary else self.outputs.argmax(axis=1)
        return chosen.astype(np.int64)

    def names(self) -> list[str]:
        """Return a name for each output."""
        schema, kind = self.schema, "p" if self.threshold == 0.5 else "score"
        if schema.classes is None:
            return list(schema.targets)
        return [f"{kind}({name})" for name in (schema.classes[1:] if schema.task == "binary" else schema.classes)]

    def spread_columns(self) -> dict[str, NDArray[np.float64]]:
        """Return each column of the spread, shape (n,), by name: ``std(TARGET)``, or ``entropy``, ``disagreement``."""
        columns: dict[str, NDArray[np.float64]] = {}
        for name, values in self.spread.items():
            of_each = [name] if values.shape[1] == 1 and self.schema.classes else [f"{name}({t})" for t in self.names()]
            columns |= dict(zip(of_each, values.T, strict=True))
        return columns


def require_numbers(outputs: Outputs) -> None:
    """Raise DataError if an output is no number: comparisons would make the first class of it, which looks sound."""
    if (lost := np.isnan(outputs).any(axis=1)).any():
        said = f"no class for {counted(int(lost.sum()), 'row')}, since the network's outputs"
        raise no_numbers(said, outputs.dtype)


def no_numbers(said: str, dtype: np.dtype[Any]) -> DataError:
    """Return the error for outputs that are NaN; `said` begins it, up to the outputs that are such."""
    return DataError(
        f"{said} are not numbers (NaN): features are too large for {dtype.name}, and may stand for missing values;"
        " correct them"
    )


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


@dataclass(frozen=True, eq=False)
class Beside:
    """Columns that stand beside answers, for some rows at a time.

    Attributes
    ----------
    schema, wanted, targets, texts
        As of `beside_answers`; `targets` returns those of some rows.
    """

    schema: Schema
    wanted: Sequence[str]
    targets: Callable[[NDArray[np.int64]], NDArray[np.float64] | None]
    texts: Callable[[Sequence[str]], dict[str, list[str]]]
    _known: dict[str, list[str]] = field(default_factory=dict)

    def of(self, ids: NDArray[np.int64]) -> dict[str, list[Any]]:
        """Return the columns of some rows.

        Raises
        ------
        UsageError
            If there is no such column.
        """
        targets = self.targets(ids) if "target" in self.wanted else None

        def texts(names: Sequence[str]) -> dict[str, list[str]]:
            if missing := [name for name in names if name not in self._known]:
                self._known.update(self.texts(missing))
            return {name: [self._known[name][row] for row in ids.tolist()] for name in names}

        return beside_answers(self.schema, ids, targets, self.wanted, texts)
