"""The update of a step: each worker turns the gradient sums of its blocks into new parameters.

One pass over the blocks does it all where a block needs nothing but itself. Two passes with
a barrier between them serve what needs the norm of the whole gradient, three LAMB, which
needs norms of whole layers too; then the mean gradient is kept where its sums were. A
squared norm is the sum over fixed blocks in their order, so each worker has the same bits.
"""

from __future__ import annotations

import math

import numpy as np

from ddp_mlp.core.kernels.intrinsics import inlined, jit, like
from ddp_mlp.core.kernels.network import SUSPICIOUS, WEIGHT_SUM
from ddp_mlp.core.kernels.penalties import CLIP_NORM, clip_factor, penalize
from ddp_mlp.core.kernels.reduction import (
    BLOCK,
    STACK_DEPTH,
    copy,
    fold_block,
    fold_tails,
    square_sum,
    sum_of,
    wide_square_sum,
)
from ddp_mlp.core.kernels.team import barrier
from ddp_mlp.core.kernels.updates import LAMB, NESTEROV, descend, look_ahead, scale, update

#: Columns of `Arena.blocks`.
START, STOP, SEGMENT, IS_WEIGHT = range(4)

#: Fields of `Arena.update_choices`; the last three are 0 or 1.
OPTIMIZER, IN_PASSES, HAS_PENALTY, LAYER_NORMS = range(4)

#: Rows of `Arena.block_lengths`.
_OF_PARAMETERS, _OF_DIRECTION = range(2)


@inlined
def _reciprocal(arena, step, stack):
    """Return what turns the gradient sum of a step into a mean; 0 where no sample weighs anything."""
    if arena.sample_weights.shape[0] == 0:
        return like(stack, 1.0) / like(stack, arena.batches[step, 1] - arena.batches[step, 0])
    # Every worker folds the tails for itself: the report may not be there yet.
    folded = np.empty((STACK_DEPTH, arena.top_tails.shape[1]))
    fold_tails(arena.top_tails, arena.top_rows, arena.top_merges, folded)
    total = like(stack, folded[0, WEIGHT_SUM])
    return like(stack, 1.0) / total if total > like(stack, 0.0) else like(stack, 0.0)


@inlined
def update_slice(arena, worker, step, stack):
    """Fold the sums of all nodes and apply the optimiser to this worker's blocks.

    Return False, unapplied, if sums that are finite by themselves overflowed together. That
    is looked for only where a worker found values so large that it can happen.
    """
    choices, coefficients = arena.update_choices, arena.coefficients[step]
    suspicious = _is_suspicious(arena)
    optimizer, in_passes = choices[OPTIMIZER], suspicious or choices[IN_PASSES] != 0
    reciprocal = _reciprocal(arena, step, stack)
    for block in range(arena.slices[worker, 0], arena.slices[worker, 1]):
        start, stop = arena.blocks[block, START], arena.blocks[block, STOP]
        fold_block(arena.top, arena.top_rows, arena.top_merges, start, stop, stack)
        gradient = stack[0, : stop - start]
        scale(gradient, reciprocal)
        if choices[HAS_PENALTY] and arena.blocks[block, IS_WEIGHT]:
            weights, scratch = arena.gradient_at[start:stop], np.empty(BLOCK)
            arena.block_penalties[block] = penalize(weights, gradient, arena.update_settings, scratch)
        if suspicious:
            arena.block_squares[block] = wide_square_sum(gradient)
        else:
            arena.block_squares[block] = square_sum(gradient, stack[STACK_DEPTH - 1])
        if in_passes:
            copy(gradient, arena.top[arena.top_rows[0], start:stop])
        else:
            theta, ahead = arena.parameters[start:stop], arena.gradient_at[start:stop]
            _update_block(optimizer, arena.blocks[block], theta, gradient, arena.moments, coefficients, ahead)
    return _second_pass(arena, worker, coefficients, stack) if in_passes else True


@inlined
def _is_suspicious(arena):
    for i in range(arena.top_rows.shape[0]):
        if arena.top_tails[arena.top_rows[i], SUSPICIOUS] != 0.0:
            return True
    return False


@jit
def _update_block(optimizer, block, theta, gradient, moments, coefficients, ahead):
    """Update `theta`, a block; to hand over the whole arena, block by block, would cost as much again."""
    update(optimizer, theta, gradient, moments, block[START], coefficients, block[IS_WEIGHT])
    if optimizer == NESTEROV:
        look_ahead(theta, moments[0, block[START] : block[STOP]], coefficients[2], ahead)


@inlined
def _second_pass(arena, worker, coefficients, stack):
    """Limit the norm of the whole gradient, then update; return False, unapplied, if it is not finite."""
    barrier(arena.node_sync, arena.runs.shape[0])
    squares = sum_of(arena.block_squares)
    if not math.isfinite(squares):
        return False
    factor = clip_factor(squares, arena.update_settings[CLIP_NORM])
    optimizer = arena.update_choices[OPTIMIZER]
    is_lamb = optimizer == LAMB
    scratch = stack[STACK_DEPTH - 1]
    for block in range(arena.slices[worker, 0], arena.slices[worker, 1]):
        start, stop = arena.blocks[block, START], arena.blocks[block, STOP]
        gradient = arena.top[arena.top_rows[0], start:stop]
        if factor < 1.0:
            scale(gradient, like(gradient, factor))
        theta, ahead = arena.parameters[start:stop], arena.gradient_at[start:stop]
        _update_block(optimizer, arena.blocks[block], theta, gradient, arena.moments, coefficients, ahead)
        if is_lamb:
            arena.block_lengths[_OF_PARAMETERS, block] = square_sum(theta, scratch)
            arena.block_lengths[_OF_DIRECTION, block] = square_sum(gradient, scratch)
    if is_lamb:
        barrier(arena.node_sync, arena.runs.shape[0])
        _third_pass(arena, worker, coefficients)
    return True


@inlined
def _third_pass(arena, worker, coefficients):
    """Step along LAMB's direction, as far as the norm of the layer's parameters says."""
    segment, rate = -1, coefficients[0]
    for block in range(arena.slices[worker, 0], arena.slices[worker, 1]):
        if arena.blocks[block, SEGMENT] != segment:
            segment = arena.blocks[block, SEGMENT]
            rate = coefficients[0] * like(coefficients, _trust(arena, segment))
        start, stop = arena.blocks[block, START], arena.blocks[block, STOP]
        descend(arena.parameters[start:stop], arena.top[arena.top_rows[0], start:stop], rate)


@inlined
def _trust(arena, segment):
    """Return ``|theta| / |direction|`` of a segment, and 1 where one of them is 0."""
    first, last = arena.segments[segment, 0], arena.segments[segment, 1]
    parameters = sum_of(arena.block_lengths[_OF_PARAMETERS, first:last])
    direction = sum_of(arena.block_lengths[_OF_DIRECTION, first:last])
    return math.sqrt(parameters / direction) if parameters > 0.0 and direction > 0.0 else 1.0


@inlined
def report_norms(arena, step):
    """Write down the norm of the mean gradient, that of each weight, and the penalty."""
    arena.norms[step] = math.sqrt(sum_of(arena.block_squares))
    if arena.update_choices[HAS_PENALTY]:
        arena.penalties[step] = sum_of(arena.block_penalties)
    if arena.update_choices[LAYER_NORMS]:
        for k in range(arena.weights.shape[0]):
            segment = arena.weights[k]
            squares = sum_of(arena.block_squares[arena.segments[segment, 0] : arena.segments[segment, 1]])
            arena.layer_norms[step, k] = math.sqrt(squares)
