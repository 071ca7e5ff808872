"""An opened data set as a source: whatever its schema was found to be, its rows are copied as they are understood."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from ddp_mlp.data.schema import Schema, SourceColumn, number_kind
from ddp_mlp.data.sources.source import BLOCK_ROWS, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ddp_mlp.data.dataset.dataset import DatasetFile
    from ddp_mlp.data.rows import Rows

#: Numbers of a block of rows, unless a single row has more.
_BLOCK_NUMBERS = 2**23


def source_of_dataset(opened: Callable[[], DatasetFile], origin: str, *, fills: bool) -> Source:
    """Return the rows of all splits of a data set.

    Parameters
    ----------
    opened : callable
        Opens it, each time anew.
    origin : str
        Where the rows come from, in words.
    fills : bool
        Whether NaN among the features is a missing value, to be imputed.

    Raises
    ------
    DataError
        As opening does; and for values that are not finite, when they are read.
    """

    def blocks() -> Iterator[tuple[str, Rows]]:
        with opened() as dataset:
            for name, split in dataset.splits.items():
                rows = split.allowing_missing() if fills else split
                step = max(1, min(BLOCK_ROWS, _BLOCK_NUMBERS // dataset.schema.n_features))
                for start in range(0, split.n_samples, step):
                    yield name, rows.read(start, min(start + step, split.n_samples))

    with opened() as dataset:
        dtype = np.result_type(*(split.feature_dtype for split in dataset.splits.values()))
        has_targets = all(split.has_targets for split in dataset.splits.values())
        sizes = {name: split.n_samples for name, split in dataset.splits.items()}
        schema = msgspec.structs.replace(dataset.schema, numbers=number_kind(dtype))
        schema = _imputing(schema) if fills else schema
        return Source(schema, sizes, origin, blocks, dataset.notes, feature_dtype=dtype.name, has_targets=has_targets)


def _imputing(schema: Schema) -> Schema:
    """Return a schema of which every column says that its missing values are imputed."""
    if schema.columns:
        return schema
    names = schema.feature_names or tuple(f"feature{i}" for i in range(schema.n_features))
    columns = tuple(SourceColumn(name, "number", (name,), missing="impute") for name in names)
    return msgspec.structs.replace(schema, feature_names=names, columns=columns)
