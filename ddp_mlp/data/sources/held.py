"""The rows of a source read into memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ddp_mlp.data.dataset.matrices import SplitMatrices
from ddp_mlp.data.dataset.meaning import Carried
from ddp_mlp.data.memory.held import HeldData, HeldMatrix

if TYPE_CHECKING:
    from ddp_mlp.data.rows import Rows
    from ddp_mlp.data.sources.source import Source


def held_source(source: Source, where: str, name: str = "train") -> HeldData:
    """Read all rows of a source into memory.

    Parameters
    ----------
    name : str
        What its split "train" is called here.

    Raises
    ------
    DataError
        If a cell turns out to be no such value.
    """
    blocks: dict[str, list[Rows]] = {}
    for split, rows in source.blocks():
        blocks.setdefault(name if split == "train" else split, []).append(rows)
    schema = source.schema
    columns = Carried.of(schema, schema.image_shape)
    splits = {split: _held_rows(rows, source, split, where) for split, rows in blocks.items()}
    return HeldData(where, splits, schema.task, columns, source.origin, source.notes)


def _held_rows(blocks: list[Rows], source: Source, split: str, where: str) -> SplitMatrices:
    schema = source.schema
    targets = weights = None
    if source.has_targets:
        values = np.concatenate([rows.targets for rows in blocks])
        kind = np.float64 if schema.task == "regression" else np.int64
        targets = HeldMatrix(values.astype(kind, copy=False), f"{where}, targets of the {split} rows")
    given = [rows.weights for rows in blocks if rows.weights is not None]
    if given:
        weights = HeldMatrix(np.concatenate(given)[:, None], f"{where}, weights of the {split} rows")
    features = HeldMatrix(np.concatenate([rows.features for rows in blocks]), f"{where}, features of the {split} rows")
    if targets is None:
        return SplitMatrices(features, None, weights, schema.feature_names, None, None, None)
    names = schema.feature_names, schema.target_names, schema.class_names
    return SplitMatrices(features, targets, weights, *names, schema.n_classes)
