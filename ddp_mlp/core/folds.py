"""Rows that train and rows that validate: pure functions of the rows' classes, groups or times, and of a seed.

Every rule keeps what it is about: shares of classes, whole groups, the order in time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.core.sampling import permuted
from ddp_mlp.core.sharding import fair_bounds

Ids = NDArray[np.int64]
#: Rows that train, and rows that validate, each ascending.
Parted = tuple[Ids, Ids]


def _parted(validates: NDArray[np.bool_]) -> Parted:
    return np.flatnonzero(~validates), np.flatnonzero(validates)


def stratified_fold(labels: Ids, fold: int, folds: int, seed: int) -> Parted:
    """Return a fold in which each class has its share of rows, to within one row.

    The rows are dealt out one by one, those of the first class first, each class in random order; so the folds differ
    by one row at most in all too.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
        The class of each row.
    """
    mixed = permuted(np.arange(len(labels), dtype=np.int64), "folds", seed)
    dealt = mixed[np.argsort(labels[mixed], kind="stable")]
    validates = np.zeros(len(labels), np.bool_)
    validates[dealt[fold::folds]] = True
    return _parted(validates)


def grouped_fold(groups: Ids, fold: int, folds: int, seed: int) -> Parted:
    """Return a fold of whole groups.

    The largest group that is left goes to the fold with the fewest rows, the first of several; groups of one size in
    random order.

    Parameters
    ----------
    groups : ndarray of int64, shape (n,)
        The group of each row, numbered from 0 without a gap; at least as many as folds.
    """
    sizes = np.bincount(groups)
    mixed = permuted(np.arange(len(sizes), dtype=np.int64), "fold groups", seed)
    fold_of, rows_in = np.zeros(len(sizes), np.int64), np.zeros(folds, np.int64)
    for group in mixed[np.argsort(-sizes[mixed], kind="stable")]:
        fold_of[group] = rows_in.argmin()
        rows_in[fold_of[group]] += sizes[group]
    return _parted(fold_of[groups] == fold)


def forward_fold(moments: Ids, fold: int, folds: int) -> Parted:
    """Return a fold that validates on the rows after all those that train.

    The rows are cut in their order into one part more than there are folds, of sizes that differ by one row at most
    but that rows of one moment stay together; fold k trains on the parts up to number k and validates on the next.

    Parameters
    ----------
    moments : ndarray of int64, shape (n,)
        The place of each row in the order, the same for rows of one moment, numbered from 0 without a gap; more than
        folds.
    """
    ends = _cuts(moments, folds + 1)
    return np.flatnonzero(moments < ends[fold]), np.flatnonzero((moments >= ends[fold]) & (moments < ends[fold + 1]))


def _cuts(moments: Ids, parts: int) -> list[int]:
    """Return the first moment after each part; each part has a moment at least."""
    until = np.cumsum(np.bincount(moments))  # rows up to the end of each moment
    n_moments, ends = len(until), list[int]()
    for part in range(parts):
        row = fair_bounds(len(moments), part, parts)[1]
        nearest = int(np.searchsorted(until, row)) + 1
        least, most = (ends[-1] if ends else 0) + 1, n_moments - (parts - 1 - part)
        ends.append(min(max(nearest, least), most))
    return ends


def grouped_split(groups: Ids, fraction: float, seed: int) -> Parted:
    """Set aside whole groups, in random order, until about a fraction of the rows validates.

    At least one group trains; of several, one validates if any should.
    """
    sizes = np.bincount(groups)
    mixed = permuted(np.arange(len(sizes), dtype=np.int64), "validation groups", seed)
    wanted, taken, chosen = len(groups) * fraction, 0, list[int]()
    for group in mixed[: len(sizes) - 1].tolist():
        # A group more is taken where that comes nearer to what is wanted.
        if fraction <= 0 or (chosen and taken + sizes[group] / 2 > wanted):
            break
        chosen.append(group)
        taken += int(sizes[group])
    return _parted(np.isin(groups, chosen))


def latest_split(moments: Ids, fraction: float) -> Parted:
    """Set aside the last rows in time, about a fraction of all; rows of one moment stay together."""
    until = np.cumsum(np.bincount(moments))
    wanted = len(moments) * (1 - fraction)
    first = int(np.searchsorted(until, wanted)) + 1 if fraction > 0 else len(until)
    first = min(max(first, 1), len(until) - (1 if fraction > 0 and len(until) > 1 else 0))
    return _parted(moments >= first)
