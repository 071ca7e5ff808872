"""Where the workers of a node meet layer by layer, so that finished layers can travel to other nodes.

While lower layers are still differentiated, the sums of those above them are complete: the
worker that hands in a layer last folds it for the node, and says that it is ready.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.core.kernels.numba_ext.intrinsics import atomic_add, jit
from ddp_mlp.core.kernels.parallel.tree import fold_in_place
from ddp_mlp.core.kernels.parallel.words import BLOCK, HANDED_IN, LAYER_WORDS, READY


class LayerBarrier(NamedTuple):
    """The place where workers hand in layers; `n_workers` is 0 where only whole steps are waited for."""

    words: NDArray[np.int64]  # (L * LAYER_WORDS,) shared by the node
    n_workers: int
    rows: NDArray[np.int64]  # (n,) rows where the workers leave their sums
    merges: NDArray[np.int64]  # (n,)
    stack: NDArray[np.floating]  # (STACK_DEPTH, BLOCK)


@jit
def hand_in(layer, start, stop, partials, barrier):
    """Say that this worker's sums in columns ``start:stop`` are complete; fold them if it is the last."""
    if barrier.n_workers == 0:
        return
    word = layer * LAYER_WORDS
    if atomic_add(barrier.words, word + HANDED_IN, 1) % barrier.n_workers != barrier.n_workers - 1:
        return
    if barrier.rows.shape[0] > 1:
        for first in range(start, stop, BLOCK):
            fold_in_place(partials, barrier.rows, barrier.merges, first, min(first + BLOCK, stop), barrier.stack)
    atomic_add(barrier.words, word + READY, 1)


@jit
def hand_in_all(n_layers, n_parameters, partials, barrier):
    """Say that this worker's sums of all layers are complete, at once, as with tied layers."""
    for layer in range(n_layers - 1, -1, -1):
        hand_in(layer, 0, n_parameters if layer == 0 else 0, partials, barrier)
