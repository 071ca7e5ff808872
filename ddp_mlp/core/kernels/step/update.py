"""The update of a step: each worker turns the gradient sums of its blocks into new parameters.

One pass over the blocks does it all where a block needs nothing but itself. Two passes with
a barrier between them serve what needs the norm of the whole gradient, three what needs
norms of whole layers too, as LAMB; then the mean gradient is kept where its sums were. A
squared norm is the sum over fixed blocks in their order, so each worker has the same bits.
"""

from __future__ import annotations

import math

import numpy as np

from ddp_mlp.catalog.arithmetic import like
from ddp_mlp.core.kernels.network.gradient_sums import part_of_weight
from ddp_mlp.core.kernels.network.layers import WorkSpace
from ddp_mlp.core.kernels.numba_ext.intrinsics import claim_line, in_loops, jit
from ddp_mlp.core.kernels.numba_ext.simd import lanes
from ddp_mlp.core.kernels.parallel.row_ranges import write_row_ranges
from ddp_mlp.core.kernels.parallel.team import barrier
from ddp_mlp.core.kernels.parallel.tree import fold_block, fold_tails
from ddp_mlp.core.kernels.parallel.words import BLOCK, STACK_DEPTH
from ddp_mlp.core.kernels.step.arena import CAPACITY, DEFERS, FIRST_WORKER, SUSPICIOUS, WEIGHT_SUM
from ddp_mlp.core.kernels.step.choices import (
    ALL,
    CLIP_NORM,
    FOLD,
    HAS_PENALTY,
    IN_PASSES,
    IS_WEIGHT,
    LAYER_NORMS,
    LIMIT,
    LOOKS_AHEAD_BY,
    OF_DIRECTION,
    OF_PARAMETERS,
    OPTIMIZER,
    PENALTIES,
    PLACE,
    SCALES_LAYERS,
    SEGMENT,
    SQUARES,
    START,
    STOP,
    TRUST,
)
from ddp_mlp.core.kernels.step.optimizers import descend, look_ahead, scale, update
from ddp_mlp.core.kernels.step.penalties import clip_factor, penalize
from ddp_mlp.core.kernels.vector_ops import copy, square_sum, sum_of, wide_square_sum


@jit
def _reciprocal(arena, step, stack):
    """Return the factor that turns the gradient sum of a step into a mean; 0 where all samples weigh 0."""
    if arena.sample_weights.shape[0] == 0:
        return like(stack, 1.0) / like(stack, arena.batches[step, 1] - arena.batches[step, 0])
    # Every worker folds the tails for itself: the report may not be there yet.
    folded = np.empty((STACK_DEPTH, arena.top_tails.shape[1]))
    fold_tails(arena.top_tails, arena.top_rows, arena.top_merges, folded)
    total = like(stack, folded[0, WEIGHT_SUM])
    return like(stack, 1.0) / total if total > like(stack, 0.0) else like(stack, 0.0)


@jit
def update_slice(arena, worker, step, part, stack):
    """Fold the sums of all nodes and apply the optimiser to this worker's blocks, or do a part of it.

    Return False, unapplied, if sums that are finite by themselves overflowed together. That
    is looked for only where a worker found values so large that it can happen.
    """
    suspicious = _is_suspicious(arena)
    in_passes = suspicious or arena.update_choices[IN_PASSES] != 0
    scales_layers = arena.update_choices[SCALES_LAYERS] != 0
    if part in (ALL, FOLD):
        _first_pass(arena, worker, step, stack, suspicious, in_passes)
    if part == ALL and in_passes:
        barrier(arena.node_sync, arena.runs.shape[0])
    if part == FOLD or not in_passes:
        return True
    squares = sum_of(arena.block_norms[SQUARES])
    if not math.isfinite(squares):
        return False
    if part in (ALL, LIMIT):
        _second_pass(arena, worker, step, stack, clip_factor(squares, arena.update_settings[CLIP_NORM]))
    if part == ALL and scales_layers:
        barrier(arena.node_sync, arena.runs.shape[0])
    if part in (ALL, TRUST) and scales_layers:
        _third_pass(arena, worker, arena.coefficients[step])
    return True


@jit
def _row_ranges_of_all(arena, step):
    """Return where the rows of all micro-batches lie, if the sums of weights are taken in the update; else none."""
    row_ranges = np.empty((arena.all_merges.shape[0] if arena.choices[DEFERS] else 0, 3), np.int64)
    for worker in range(arena.runs.shape[0] if arena.choices[DEFERS] else 0):
        first, last = arena.runs[worker, 0], arena.runs[worker, 1]
        write_row_ranges(arena.batches[step], row_ranges.shape[0], worker, first, row_ranges[first:last])
    return row_ranges


@jit
def _first_pass(arena, worker, step, stack, suspicious, in_passes):
    """Fold the sums, or take them; scale, penalise and measure the gradient; where that is all it needs, update."""
    choices, coefficients = arena.update_choices, arena.coefficients[step]
    reciprocal = _reciprocal(arena, step, stack)
    row_ranges, part = _row_ranges_of_all(arena, step), arena.parts[worker - arena.choices[FIRST_WORKER]]
    first = last = end = 0  # of the parameters whose sums are in `part`, and of those of this worker
    if arena.owned_ranges[worker, 0] < arena.owned_ranges[worker, 1]:
        end = arena.blocks[arena.owned[arena.owned_ranges[worker, 1] - 1], STOP]
    for i in range(arena.owned_ranges[worker, 0], arena.owned_ranges[worker, 1]):
        block = arena.owned[i]
        start, stop = arena.blocks[block, START], arena.blocks[block, STOP]
        place = arena.blocks[block, PLACE]
        _claim(arena.gradient_at, stop, min(stop + BLOCK, end))
        if row_ranges.shape[0] > 0 and arena.blocks[block, IS_WEIGHT]:
            if stop > last:
                space = WorkSpace(arena.work, arena.choices[CAPACITY], arena.factors)
                first, last = part_of_weight(arena.layers, space, row_ranges, arena.all_merges, start, end, part)
            gradient = part[0, start - first : stop - first]
        else:
            fold_block(arena.top, arena.top_rows, arena.top_merges, place, place + stop - start, stack)
            gradient = stack[0, : stop - start]
        scale(gradient, reciprocal)
        if choices[HAS_PENALTY] and arena.blocks[block, IS_WEIGHT]:
            weights, scratch = arena.gradient_at[start:stop], np.empty(BLOCK)
            arena.block_norms[PENALTIES, block] = penalize(weights, gradient, arena.update_settings, scratch)
        squares = wide_square_sum(gradient) if suspicious else square_sum(gradient, stack[STACK_DEPTH - 1])
        arena.block_norms[SQUARES, block] = squares
        if in_passes:
            copy(gradient, arena.top[arena.top_rows[0], place : place + stop - start])
        else:
            theta, ahead = arena.parameters[start:stop], arena.gradient_at[start:stop]
            _update_block(choices, arena.blocks[block], theta, gradient, arena.moments, coefficients, ahead)


@jit
def _claim(values, start, stop):
    """Ask for values that this worker will write soon, and all have read: a write alone would wait for each line."""
    for at in range(start, stop, lanes(values)):
        claim_line(values, at)


@jit
def _is_suspicious(arena):
    for i in range(arena.top_rows.shape[0]):
        if arena.top_tails[arena.top_rows[i], SUSPICIOUS] != 0.0:
            return True
    return False


@in_loops
def _update_block(choices, block, theta, gradient, moments, coefficients, ahead):
    """Update `theta`, a block; as a function that is called, it would cost a small network as much again."""
    place, by = block[PLACE], choices[LOOKS_AHEAD_BY]
    update(choices[OPTIMIZER], theta, gradient, moments, place, coefficients, block[IS_WEIGHT])
    if by >= 0:
        look_ahead(theta, moments[0, place : place + theta.shape[0]], coefficients[by], ahead)


@jit
def _second_pass(arena, worker, step, stack, factor):
    """Shorten the gradient by `factor`, the same for all blocks, and update."""
    choices, coefficients = arena.update_choices, arena.coefficients[step]
    scratch = stack[STACK_DEPTH - 1]
    for i in range(arena.owned_ranges[worker, 0], arena.owned_ranges[worker, 1]):
        block = arena.owned[i]
        start, stop = arena.blocks[block, START], arena.blocks[block, STOP]
        place = arena.blocks[block, PLACE]
        gradient = arena.top[arena.top_rows[0], place : place + stop - start]
        if factor < 1.0:
            scale(gradient, like(gradient, factor))
        theta, ahead = arena.parameters[start:stop], arena.gradient_at[start:stop]
        _update_block(choices, arena.blocks[block], theta, gradient, arena.moments, coefficients, ahead)
        if choices[SCALES_LAYERS]:
            arena.block_norms[OF_PARAMETERS, block] = square_sum(theta, scratch)
            arena.block_norms[OF_DIRECTION, block] = square_sum(gradient, scratch)


@jit
def _third_pass(arena, worker, coefficients):
    """Step along the direction of each layer, as far as the norm of the layer's parameters says."""
    segment, rate = -1, coefficients[0]
    for i in range(arena.owned_ranges[worker, 0], arena.owned_ranges[worker, 1]):
        block = arena.owned[i]
        if arena.blocks[block, SEGMENT] != segment:
            segment = arena.blocks[block, SEGMENT]
            rate = coefficients[0] * like(coefficients, _trust(arena, segment))
        start, stop = arena.blocks[block, START], arena.blocks[block, STOP]
        place = arena.blocks[block, PLACE]
        direction = arena.top[arena.top_rows[0], place : place + stop - start]
        descend(arena.parameters[start:stop], direction, rate)


@jit
def _trust(arena, segment):
    """Return ``|theta| / |direction|`` of a segment, and 1 where one of them is 0."""
    first, last = arena.segments[segment, 0], arena.segments[segment, 1]
    parameters = sum_of(arena.block_norms[OF_PARAMETERS, first:last])
    direction = sum_of(arena.block_norms[OF_DIRECTION, first:last])
    return math.sqrt(parameters / direction) if parameters > 0.0 and direction > 0.0 else 1.0


@jit
def report_norms(arena, step):
    """Write down the norm of the mean gradient, that of each weight, and the penalty."""
    arena.norms[step] = math.sqrt(sum_of(arena.block_norms[SQUARES]))
    if arena.update_choices[HAS_PENALTY]:
        arena.penalties[step] = sum_of(arena.block_norms[PENALTIES])
    if arena.update_choices[LAYER_NORMS]:
        for k in range(arena.weights.shape[0]):
            segment = arena.weights[k]
            squares = sum_of(arena.block_norms[SQUARES, arena.segments[segment, 0] : arena.segments[segment, 1]])
            arena.layer_norms[step, k] = math.sqrt(squares)
