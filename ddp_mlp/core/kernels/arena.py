"""What the workers of a rank see: the arrays that every phase of a step reads and writes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Integers = NDArray[np.int64]


#: Columns of a tail: what travels beside a gradient sum, always float64.
LOSS_SUM, SAMPLE_SUM, NON_FINITE, STOP_REQUEST, WEIGHT_SUM, SUSPICIOUS = range(6)
TAIL_COLUMNS = 8

#: Fields of `Arena.control`.
PHASE, STEP, N_STEPS, ASK_STOP, PART = range(5)


#: Fields of `Arena.streams`.
DROPOUT_STREAM, AUGMENTATION_STREAM = range(2)

#: Fields of `Arena.choices`.
LOSS, STORED, CAPACITY, MICRO_BATCHES, FIRST_WORKER, BY_LAYERS, DEFERS = range(7)


class Arena(NamedTuple):
    """Everything that the workers of a rank see; fixed arrays, filled in place.

    P is the number of parameters, W of workers of the node, T of threads of the rank, M of
    micro-batches, R the dtype of training. "Shared" memory is one for all ranks of the node.
    """

    node_sync: Integers  # (SYNC_WORDS,) shared by the node
    rank_sync: Integers  # (SYNC_WORDS,) of this rank
    control: Integers  # (5,) what this rank does, see PHASE ..; ASK_STOP asks all ranks to stop, PART see `updating`
    # BY_LAYERS is 1 where the workers of the node meet layer by layer; DEFERS is 1 where the gradient sums of a weight
    # are taken in the update, by the worker that updates it.
    choices: Integers  # (7,) see LOSS ..
    layer_words: Integers  # (L * LAYER_WORDS,) see `meeting`, shared by the node
    layers: Integers  # (L, LAYER_COLUMNS)
    settings: Floats  # (L, 2) R, see `network`
    runs: Integers  # (W, 2) first and last micro-batch of each worker
    worker_merges: Integers  # (M,) pairs complete after each micro-batch, within its worker
    all_merges: Integers  # (M,) pairs complete after each micro-batch, whoever computes it
    rows: Integers  # (n,) rows of `own` where the workers leave their sums
    merges: Integers  # (n,)
    top_rows: Integers  # (m,) rows of `top` that hold the sums of all nodes
    top_merges: Integers  # (m,)
    blocks: Integers  # (n_blocks, 5) of the vector, see START ..
    segments: Integers  # (n_segments, 2) first and last block of each weight and bias
    weights: Integers  # (n_weights,) which segments are weights
    slices: Integers  # (W, 2) blocks that each worker folds for its node
    owned: Integers  # (n_owned,) blocks that this node updates: all, or its share
    shares: Integers  # (W, 2) the part of `owned` that each worker updates
    update_choices: Integers  # (4,) see OPTIMIZER ..
    update_settings: NDArray[np.float64]  # (SETTINGS,) see CLIP_NORM ..
    features: NDArray[np.uint8]  # (N, bytes of a row)
    offset: Floats  # (F,) R
    scale: Floats  # (F,) R
    targets: Floats  # (N, T) R
    sample_weights: Floats  # (N,) R, or (0,) where every sample weighs 1
    smoothing: NDArray[np.float64]  # (1,) of labels
    augmentation: NDArray[np.float64]  # see `augmentation`; (0,) for none
    streams: NDArray[np.uint64]  # (2,) keys of this epoch, see DROPOUT_STREAM ..
    order: Integers  # (n_train,) rows in the order of this epoch
    batches: Integers  # (S, 2) range of `order` of each step
    coefficients: Floats  # (S, COEFFICIENTS) R
    work: Floats  # (W, capacity * columns) R, shared if DEFERS
    parts: Floats  # (T, depth, n) R, gradient sums of a part of a weight
    stacks: Floats  # (T, STACK_DEPTH, BLOCK) R
    parameters: Floats  # (P,) R, shared
    gradient_at: Floats  # (P,) R, shared; where gradients are taken: `parameters` but for Nesterov
    moments: Floats  # (n_moments, values of the owned blocks) R, shared
    own: Floats  # (W * depth, stride) R, gradient sums of this node, shared
    own_tails: NDArray[np.float64]  # (W * depth, TAIL_COLUMNS), shared
    top: Floats  # (m or more, stride) R, gradient sums of all nodes in the owned blocks, shared
    top_tails: NDArray[np.float64]  # (m or more, TAIL_COLUMNS), shared
    figures: NDArray[np.float64]  # (4, n_blocks) see SQUARES .., shared
    reports: NDArray[np.float64]  # (S, TAIL_COLUMNS) folded tail of each step, shared
    norms: NDArray[np.float64]  # (S,) norm of the mean gradient of each step, shared
    layer_norms: NDArray[np.float64]  # (S, n_weights) that of each weight, shared
    penalties: NDArray[np.float64]  # (S,) shared
