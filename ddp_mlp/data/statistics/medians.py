"""Exact medians of the columns of more rows than fit into memory, digit by digit.

Floating-point numbers are taken as integers that sort as they do. Each pass over the rows counts, for each column, how
many values have which next digit behind those that the middle value is known to have; so the middle one, or two, are
known to the last bit after three passes over float32 and six over float64. Counts of several readers add up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

DIGIT_BITS = 11
N_DIGITS = 2**DIGIT_BITS
#: The two values whose mean is the median; of an odd number they are the same.
_MIDDLES = 2

#: Adds up counts, shape (F, 2, N_DIGITS), over all readers.
Summed = Callable[[NDArray[np.int64]], NDArray[np.int64]]


def passes_over(dtype: np.dtype[Any]) -> int:
    """Return how many passes over values of a dtype medians take."""
    return -(-_bits_of(dtype) // DIGIT_BITS)


def exact_medians(
    blocks: Callable[[], Iterable[NDArray[Any]]], n_columns: int, dtype: np.dtype[Any], summed: Summed
) -> NDArray[np.float64]:
    """Return the median of each column, NaN aside; 0 of a column without values.

    Parameters
    ----------
    blocks : callable
        Returns the rows of this reader, shape (n, F) each, once more for each pass.
    n_columns : int
        Columns F.
    dtype : dtype
        Of the rows.
    summed : callable
        Called once for each pass.

    Returns
    -------
    ndarray of float64, shape (F,)
    """
    bits = _bits_of(dtype)
    prefixes = np.zeros((n_columns, _MIDDLES), np.uint64)
    places = np.zeros((n_columns, _MIDDLES), np.int64)
    n_values = np.zeros(n_columns, np.int64)
    known = 0
    while known < bits:
        width = min(DIGIT_BITS, bits - known)
        counts = summed(_counted(blocks(), prefixes, bits, known, width))
        if known == 0:
            n_values = counts[:, 0].sum(axis=1)
            places = np.stack([np.maximum(n_values - 1, 0) // 2, n_values // 2], axis=1)
        below = np.cumsum(counts, axis=2)
        digits = np.minimum((below <= places[:, :, None]).sum(axis=2), 2**width - 1)
        before = np.take_along_axis(below - counts, digits[:, :, None], axis=2)[:, :, 0]
        places = places - before
        prefixes = prefixes << np.uint64(width) | digits.astype(np.uint64)
        known += width
    low, high = _values(prefixes, bits).T
    with np.errstate(over="ignore", invalid="ignore"):
        middle = np.where(low == high, low, (low + high) / 2)
    return np.where(n_values > 0, middle, 0.0) + 0.0  # no zero of negative sign


def _bits_of(dtype: np.dtype[Any]) -> int:
    return 32 if dtype.kind == "f" and dtype.itemsize <= 4 else 64


def _counted(
    blocks: Iterable[NDArray[Any]], prefixes: NDArray[np.uint64], bits: int, known: int, width: int
) -> NDArray[np.int64]:
    """Count the next digit, of `width` bits, of the values that begin with the `known` bits of either prefix."""
    n_columns = len(prefixes)
    counts = np.zeros((_MIDDLES, n_columns * N_DIGITS), np.int64)
    first_of_column = np.arange(n_columns, dtype=np.int64) * N_DIGITS
    for block in blocks:
        keys, there = _keys(block, bits), ~np.isnan(block)
        digits = (keys >> np.uint64(bits - known - width)) & np.uint64(2**width - 1)
        places = digits.astype(np.int64) + first_of_column
        for middle in range(_MIDDLES):
            counted = there
            if known:
                counted = there & (keys >> np.uint64(bits - known) == prefixes[:, middle])
            counts[middle] += np.bincount(places[counted], minlength=n_columns * N_DIGITS)
    return counts.reshape(_MIDDLES, n_columns, N_DIGITS).transpose(1, 0, 2)


def _keys(values: NDArray[Any], bits: int) -> NDArray[np.uint64]:
    """Return integers that sort as values do: those below zero upside down, the others above them."""
    sign = np.uint64(2 ** (bits - 1))
    plain = np.ascontiguousarray(values, f"f{bits // 8}").view(f"u{bits // 8}").astype(np.uint64)
    return np.where(plain & sign, ~plain & np.uint64(2**bits - 1), plain | sign)


def _values(keys: NDArray[np.uint64], bits: int) -> NDArray[np.float64]:
    """Return the values that `_keys` were made from."""
    sign = np.uint64(2 ** (bits - 1))
    plain = np.where(keys & sign, keys ^ sign, ~keys & np.uint64(2**bits - 1))
    return plain.astype(f"u{bits // 8}").view(f"f{bits // 8}").astype(np.float64)
