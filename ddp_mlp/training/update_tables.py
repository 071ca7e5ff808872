"""What the update needs of an arena: blocks, choices, and room for what it finds."""

from __future__ import annotations

from typing import Any

import numpy as np

from ddp_mlp.comm import Communicator
from ddp_mlp.core.blocks import block_slices, block_table
from ddp_mlp.core.kernels import penalties, updating
from ddp_mlp.core.kernels.updates import LAMB, LINE_SEARCH, UPDATE_CODES
from ddp_mlp.core.layout import Layout
from ddp_mlp.core.optimizers import UpdateRules
from ddp_mlp.training.tables import shared_array


def update_tables(
    comm: Communicator, layout: Layout, optimizer: str, rules: UpdateRules, *, n_workers: int, n_steps: int
) -> dict[str, Any]:
    """Collective. Return the fields of `Arena` that `core.kernels.updating` alone uses, and `slices`.

    Parameters
    ----------
    n_workers : int
        Workers of this node, which share out the blocks.
    n_steps : int
        Steps between which nobody reads the reports.
    """
    table = block_table(layout)
    n_blocks, n_weights = len(table.blocks), len(table.weights)
    return {
        "blocks": table.blocks,
        "segments": table.segments,
        "weights": table.weights,
        "slices": block_slices(table.blocks, n_workers),
        "update_choices": _choices(optimizer, rules),
        "update_settings": _settings(rules),
        "block_squares": shared_array(comm, (n_blocks,), np.float64),
        "block_lengths": shared_array(comm, (2, n_blocks), np.float64),
        "block_penalties": shared_array(comm, (n_blocks,), np.float64),
        "norms": shared_array(comm, (n_steps,), np.float64),
        "layer_norms": shared_array(comm, (n_steps, n_weights), np.float64),
        "penalties": shared_array(comm, (n_steps,), np.float64),
    }


def _choices(optimizer: str, rules: UpdateRules) -> np.ndarray[Any, np.dtype[np.int64]]:
    code = UPDATE_CODES[optimizer]
    choices = np.zeros(4, np.int64)
    choices[updating.OPTIMIZER] = code
    choices[updating.IN_PASSES] = rules.clip_norm > 0 or code in (LAMB, LINE_SEARCH)
    choices[updating.HAS_PENALTY] = rules.has_penalty
    choices[updating.LAYER_NORMS] = rules.layer_norms
    return choices


def _settings(rules: UpdateRules) -> np.ndarray[Any, np.dtype[np.float64]]:
    settings = np.zeros(penalties.SETTINGS)
    settings[penalties.CLIP_NORM] = rules.clip_norm
    settings[[penalties.L1, penalties.L2, penalties.LQ, penalties.Q]] = rules.l1, rules.l2, rules.lq, rules.q
    return settings
