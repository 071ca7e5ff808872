"""Values that stand for missing ones, found by all ranks together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.comm import Communicator, agreed
from ddp_mlp.data.statistics.medians import N_DIGITS, exact_medians
from ddp_mlp.training.inputs.measuring import TrainingBlocks, summed

#: Columns whose digits are counted at a time: 64 MiB of counts.
_MOST_COLUMNS = 2048
#: Bytes of counts of all ranks that are added at a time.
_SUMMED_BYTES = 2**26


def fit_fill(blocks: TrainingBlocks, n_features: int, one_hot: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    """Collective. Return the value that fills a missing one of each column, also where none is missing in training.

    Parameters
    ----------
    blocks : TrainingBlocks
    n_features : int
        Columns F.
    one_hot : sequence of sequences of int
        Columns that stand for one category each, of which a row has one: they are filled together, with the
        category that most rows have.

    Returns
    -------
    ndarray of float64, shape (F,)
        The median of the values that are there; 0 where there are none, and of the categories that are not most
        frequent.

    Raises
    ------
    DataError
        If rows are not usable.
    """
    fill = np.zeros(n_features)
    for first in range(0, n_features, _MOST_COLUMNS):
        stop = min(first + _MOST_COLUMNS, n_features)
        fill[first:stop] = _medians(blocks, first, stop)
    if one_hot:
        sums = _sums(blocks, n_features)
        for group in one_hot:
            members = np.array(group, np.int64)
            fill[members] = np.arange(len(group)) == np.argmax(sums[members])
    return fill


def _medians(blocks: TrainingBlocks, first: int, stop: int) -> NDArray[np.float64]:
    """Collective. Return the medians of some columns."""
    comm = blocks.comm
    pieces = max(1, _SUMMED_BYTES // (2 * N_DIGITS * 8 * comm.world_size))

    def of_columns() -> Iterator[NDArray[Any]]:
        with agreed(comm):
            yield from (rows.features[:, first:stop] for rows in blocks.own())

    def of_all_ranks(counts: NDArray[np.int64]) -> NDArray[np.int64]:
        parts = [summed(counts[at : at + pieces], comm) for at in range(0, len(counts), pieces)]
        return np.concatenate(parts)

    return exact_medians(of_columns, stop - first, blocks.train.feature_dtype, of_all_ranks)


def _sums(blocks: TrainingBlocks, n_features: int) -> NDArray[np.float64]:
    """Collective. Return the sum of each column, in the order of the ranks; exact for whole numbers."""
    comm: Communicator = blocks.comm
    table = np.zeros((comm.world_size, n_features))
    with agreed(comm):
        for rows in blocks.own():
            table[comm.rank] += np.nansum(np.asarray(rows.features, np.float64), axis=0)
    comm.gather_rows(table, [1] * comm.world_size)
    return np.asarray(table.sum(axis=0))
