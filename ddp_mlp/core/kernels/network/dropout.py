"""Inverted dropout: masks from a counter, the same on any rank and thread, and after a resume.

A unit is dropped with probability p while training, and a kept one divided by 1 - p, so
that inference needs no correction. Whether it is dropped is a hash of (seed, epoch, sample,
layer, unit) and nothing else.

Source: Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov, JMLR 15 (2014) 1929,
sections 4 and 10.
"""

from __future__ import annotations

import numpy as np

from ddp_mlp.catalog.arithmetic import like
from ddp_mlp.core.kernels.numba_ext.intrinsics import jit
from ddp_mlp.core.kernels.random import GOLDEN, draw, mix

_TWO_TO_64 = 2.0**64


@jit
def drop(values, start, mask_start, n_rows, n_columns, rate, key, layer, order, first):
    """Multiply the rows (B, I) at `start` by masks, which are left at `mask_start`.

    Parameters
    ----------
    rate : float
        Probability p in (0, 1) that a unit is dropped.
    key : uint64
        Stream of (seed, epoch).
    layer : int
        Number of the layer whose inputs these are.
    order, first
        Row r is sample ``order[first + r]``.
    """
    limit = np.uint64(np.float64(rate) * _TWO_TO_64)
    factor = like(values, 1.0) / (like(values, 1.0) - rate)
    layer_key = draw(key, np.uint64(layer))
    for r in range(n_rows):
        word = draw(layer_key, np.uint64(order[first + r]))
        row = values[start + r * n_columns : start + (r + 1) * n_columns]
        mask = values[mask_start + r * n_columns : mask_start + (r + 1) * n_columns]
        for c in range(n_columns):
            word += GOLDEN
            mask[c] = like(values, 0.0) if mix(word) < limit else factor
        for c in range(n_columns):
            row[c] *= mask[c]


@jit
def drop_delta(values, delta_start, mask_start, start, size, rate):
    """Take the deltas of dropped rows back to those before the drop, and the rows as well.

    A row that was kept is multiplied by 1 - p, which gives back what it was to one rounding;
    one that was dropped stays 0, and its delta is 0 whatever the row was.
    """
    kept = like(values, 1.0) - rate
    delta = values[delta_start : delta_start + size]
    mask = values[mask_start : mask_start + size]
    row = values[start : start + size]
    for i in range(size):
        delta[i] *= mask[i]
    for i in range(size):
        row[i] *= kept
