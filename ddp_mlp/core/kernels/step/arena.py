"""The arena: all arrays that the phases of a step read and write, as the workers of a rank see them."""

from __future__ import annotations

from typing import NamedTuple

from ddp_mlp.core.kernels.arrays import (
    Bytes2,
    Doubles1,
    Doubles2,
    Factors1,
    Floats1,
    Floats2,
    Floats3,
    Integers1,
    Integers2,
    Tails2,
    Words1,
)

#: Columns of a tail: what travels beside a gradient sum, always float64.
LOSS_SUM, SAMPLE_SUM, NON_FINITE, STOP_REQUEST, WEIGHT_SUM, SUSPICIOUS = range(6)
TAIL_COLUMNS = 8

#: Fields of `Arena.control`.
PHASE, STEP, N_STEPS, ASK_STOP, PART = range(5)


#: Fields of `Arena.streams`.
DROPOUT_STREAM, AUGMENTATION_STREAM = range(2)

#: Fields of `Arena.loss_settings`.
LOSS_PARAM = 0

#: Fields of `Arena.choices`.
LOSS, STORED, CAPACITY, MICRO_BATCHES, FIRST_WORKER, BY_LAYERS, DEFERS = range(7)


class Arena(NamedTuple):
    """All arrays of a step, as the workers of a rank see them; fixed, and filled in place.

    P is the number of parameters, W of workers of the node, T of threads of the rank, M of
    micro-batches, R the dtype of training. "Shared" memory is one for all ranks of the node.
    """

    table: Integers1  # where all of these lie, see `pointed`
    factors: Factors1  # (0,) an example of what products take
    node_sync: Integers1  # (SYNC_WORDS,) shared by the node
    rank_sync: Integers1  # (SYNC_WORDS,) of this rank
    control: Integers1  # (5,) what this rank does, see PHASE ..; ASK_STOP asks all ranks to stop, PART see `update`
    # BY_LAYERS is 1 where the workers of the node meet layer by layer; DEFERS is 1 where the gradient sums of a weight
    # are taken in the update, by the worker that updates it.
    choices: Integers1  # (7,) see LOSS ..
    layer_words: Integers1  # (L * LAYER_WORDS,) see `layer_barrier`, shared by the node
    layers: Integers2  # (L, LAYER_COLUMNS)
    settings: Floats2  # (L, 2) R, see `layers`
    runs: Integers2  # (W, 2) first and last micro-batch of each worker
    worker_merges: Integers1  # (M,) pairs complete after each micro-batch, within its worker
    all_merges: Integers1  # (M,) pairs complete after each micro-batch, whoever computes it
    rows: Integers1  # (n,) rows of `own` where the workers leave their sums
    merges: Integers1  # (n,)
    top_rows: Integers1  # (m,) rows of `top` that hold the sums of all nodes
    top_merges: Integers1  # (m,)
    blocks: Integers2  # (n_blocks, 5) of the vector, see START ..
    segments: Integers2  # (n_segments, 2) first and last block of each weight and bias
    weights: Integers1  # (n_weights,) which segments are weights
    slices: Integers2  # (W, 2) blocks that each worker folds for its node
    owned: Integers1  # (n_owned,) blocks that this node updates: all, or its share
    owned_ranges: Integers2  # (W, 2) the part of `owned` that each worker updates
    update_choices: Integers1  # (6,) see OPTIMIZER ..
    update_settings: Doubles1  # (SETTINGS,) see CLIP_NORM ..
    features: Bytes2  # (N, bytes of a row)
    offset: Floats1  # (F,) R
    scale: Floats1  # (F,) R
    targets: Floats2  # (N, T) R
    sample_weights: Floats1  # (N,) R, or (0,) where every sample weighs 1
    loss_settings: Doubles1  # (1,) see LOSS_PARAM
    augmentation: Doubles1  # see `augmentation`; (0,) for none
    streams: Words1  # (2,) keys of this epoch, see DROPOUT_STREAM ..
    order: Integers1  # (n_train,) rows in the order of this epoch
    batches: Integers2  # (S, 2) range of `order` of each step
    coefficients: Floats2  # (S, COEFFICIENTS) R
    work: Floats2  # (W, capacity * columns) R, shared if DEFERS
    parts: Floats3  # (T, depth, n) R, gradient sums of a part of a weight
    stacks: Floats3  # (T, STACK_DEPTH, BLOCK) R
    parameters: Floats1  # (P,) R, shared
    gradient_at: Floats1  # (P,) R, shared; where gradients are taken: `parameters`, or ahead of them
    moments: Floats2  # (n_moments, values of the owned blocks) R, shared
    own: Floats2  # (W * depth, stride) R, gradient sums of this node, shared
    own_tails: Tails2  # (W * depth, TAIL_COLUMNS), shared
    top: Floats2  # (m or more, stride) R, gradient sums of all nodes in the owned blocks, shared
    top_tails: Tails2  # (m or more, TAIL_COLUMNS), shared
    block_norms: Doubles2  # (4, n_blocks) see SQUARES ..: squared norms and penalties, shared
    reports: Doubles2  # (S, TAIL_COLUMNS) folded tail of each step, shared
    norms: Doubles1  # (S,) norm of the mean gradient of each step, shared
    layer_norms: Doubles2  # (S, n_weights) that of each weight, shared
    penalties: Doubles1  # (S,) shared
