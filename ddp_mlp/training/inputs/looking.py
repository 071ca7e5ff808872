"""A look at some rows of a split, evenly spaced, and at what may stand for missing values among them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.data.dataset.split import Split
from ddp_mlp.data.rows import Rows
from ddp_mlp.data.schema import Schema

#: Rows looked at, in blocks that are evenly spaced, and values held at a time.
_LOOKED_AT, _BLOCK_ROWS, _MOST_VALUES = 10_000, 1024, 2**25
#: Numbers that people write where they have none.
_USUAL = (-9.0, -99.0, -999.0, -9999.0, -99999.0, 99.0, 999.0, 9999.0, 99999.0, -32768.0, -2147483648.0)
#: How far a value lies from the others, in widths of their range, where it stands for none: one of the usual, any.
_GAP_OF_USUAL, _GAP = 0.5, 3.0
_FEW_ROWS, _FRACTION, _SHOWN = 3, 0.005, 4


def blocks_looked_at(split: Split) -> Iterator[Rows]:
    """Yield some rows of a split as rows of its schema, NaN where a value is missing."""
    step = max(1, split.n_samples // _LOOKED_AT)
    for start in range(0, split.n_samples, _BLOCK_ROWS * step):
        yield split.read(start, min(start + _BLOCK_ROWS, split.n_samples))


def likely_missing(split: Split, schema: Schema) -> str:
    """Return a warning where one number, far from all others of its column, stands in many rows; else nothing.

    A value that is written for a missing one, such as -9999, trains as the quantity that it is not.
    """
    rows = list(_few_enough(split))
    names = schema.feature_names or tuple(f"column {i}" for i in range(schema.n_features))
    found = _named(names, np.concatenate([np.asarray(block.features, np.float64) for block in rows]))
    if schema.task == "regression":
        found += _named(schema.targets, np.concatenate([block.targets for block in rows]))
    if not found:
        return ""
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return (
        f"warning: one number, far from all others of its column, stands in many rows of {', '.join(found[:_SHOWN])}"
        f'{more}: if it means that there is no value, write NaN in its place, and [data] missing = "impute"'
    )


def _few_enough(split: Split) -> Iterator[Rows]:
    held = 0
    for block in blocks_looked_at(split):
        held += block.features.size
        yield block
        if held > _MOST_VALUES:
            return


def _named(names: Sequence[str], values: NDArray[np.float64]) -> list[str]:
    return [f"{names[at]} ({value:g} in {count} of {len(values)} rows)" for at, value, count in _outlying(values)]


def _outlying(values: NDArray[np.float64]) -> Iterator[tuple[int, float, int]]:
    """Yield column, value and number of rows of each least or greatest value that is far from all others."""
    enough = max(_FEW_ROWS, _FRACTION * len(values))
    for sign in (1.0, -1.0):
        signed = values * sign
        low = np.fmin.reduce(signed, axis=0)
        is_low = signed == low
        counts = is_low.sum(axis=0)
        others = np.where(is_low, np.inf, signed)
        next_low, high = np.fmin.reduce(others, axis=0), np.fmax.reduce(signed, axis=0)
        with np.errstate(invalid="ignore", over="ignore"):
            gaps, width = next_low - low, high - next_low
            factor = np.where(np.isin(low * sign, _USUAL), _GAP_OF_USUAL, _GAP)
            is_far = (gaps > factor * width) & (width > 0) & (counts >= enough)
        for column in np.flatnonzero(is_far).tolist():
            yield column, float(low[column] * sign), int(counts[column])
