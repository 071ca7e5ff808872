"""The part of an arena that the update alone uses: blocks, choices, and room for its findings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ddp_mlp.catalog.optimizers import OPTIMIZERS
from ddp_mlp.comm import Communicator
from ddp_mlp.core.blocks import BlockTable, block_lengths, block_slices, with_places
from ddp_mlp.core.kernels.network.codes import UPDATE_CODES
from ddp_mlp.core.kernels.step import choices as fields
from ddp_mlp.core.sharding import Interval
from ddp_mlp.core.update_rules import UpdateRules, keeps_gradient
from ddp_mlp.engine.shared_memory import shared_array


def update_tables(
    comm: Communicator,
    table: BlockTable,
    share: Sequence[Interval],
    optimizer: str,
    rules: UpdateRules,
    *,
    n_workers: int,
    n_steps: int,
) -> dict[str, Any]:
    """Collective. Return the fields of `Arena` that `core.kernels.step.update` alone uses, and `slices`.

    Parameters
    ----------
    share : sequence of (first, last)
        Blocks that this node updates.
    n_workers : int
        Workers of this node, which share out the blocks.
    n_steps : int
        Steps between which nobody reads the reports.
    """
    n_blocks, n_weights = len(table.blocks), len(table.weights)
    blocks, owned = with_places(table.blocks, share)
    lengths = block_lengths(blocks)
    return {
        "blocks": blocks,
        "segments": table.segments,
        "weights": table.weights,
        "slices": block_slices(lengths, n_workers),
        "owned": owned,
        "owned_ranges": block_slices(lengths[owned], n_workers),
        "update_choices": _choices(optimizer, rules),
        "update_settings": _settings(rules),
        "block_norms": shared_array(comm, (4, n_blocks), np.float64),
        "norms": shared_array(comm, (n_steps,), np.float64),
        "layer_norms": shared_array(comm, (n_steps, n_weights), np.float64),
        "penalties": shared_array(comm, (n_steps,), np.float64),
    }


def _choices(optimizer: str, rules: UpdateRules) -> np.ndarray[Any, np.dtype[np.int64]]:
    entry = OPTIMIZERS[optimizer]
    choices = np.zeros(fields.UPDATE_CHOICES, np.int64)
    choices[fields.OPTIMIZER] = UPDATE_CODES[optimizer]
    choices[fields.LOOKS_AHEAD_BY] = -1 if entry.looks_ahead_by is None else entry.looks_ahead_by
    choices[fields.SCALES_LAYERS] = entry.scales_layers
    choices[fields.IN_PASSES] = keeps_gradient(optimizer, rules)
    choices[fields.HAS_PENALTY] = rules.has_penalty
    choices[fields.LAYER_NORMS] = rules.layer_norms
    return choices


def _settings(rules: UpdateRules) -> np.ndarray[Any, np.dtype[np.float64]]:
    settings = np.zeros(fields.SETTINGS)
    settings[fields.CLIP_NORM] = rules.clip_norm
    settings[[fields.L1, fields.L2, fields.LQ, fields.Q]] = rules.l1, rules.l2, rules.lq, rules.q
    return settings
