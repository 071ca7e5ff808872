"""The memory of a step lies in one way, whatever is empty in it: kernels are compiled for no other."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from ddp_mlp.core.kernels.arrays import check_memory
from ddp_mlp.core.kernels.network.augmentation_settings import AUGMENTATION_FIELDS
from ddp_mlp.core.layout import Layout
from ddp_mlp.engine.engine import Engine
from tests.building import network_of, parameters_of, resident_of, resident_of_bytes, targets_for
from tests.engine.test_optimizer_shards import OneOf

#: Nodes of a few, of which some own no block of a small network.
NODES = [(0, 1), (0, 2), (1, 2), (0, 7), (3, 7), (6, 7)]
SIZES = [(1, 1), (2, 3, 1), (40, 50, 4), (6, 3, 6)]


def engine_on(node: tuple[int, int], sizes: tuple[int, ...], dtype: str, optimizer: str, number: int) -> Engine:
    """Build an engine for one node of some; `number` decides the rest of what can be there or not."""
    rng, n_rows = np.random.default_rng(0), 3 + number % 2 * 30
    network = network_of(sizes)
    if sizes[0] == sizes[-1] > 1:
        network = replace(network, layout=Layout(sizes, (), tied=True))
    elif number % 3 == 0:
        network = replace(network, dropout=(0.5,) * network.layout.n_layers)
    targets = targets_for(network, n_rows, rng)
    resident = resident_of(rng.normal(0, 1, (n_rows, sizes[0])), targets, dtype)
    if number % 5 == 0:
        raw = rng.integers(0, 255, (n_rows, sizes[0]))
        resident = resident_of_bytes(raw, targets, np.zeros(sizes[0]), np.ones(sizes[0]), dtype)
    if number % 7 == 0:
        resident = replace(resident, weights=np.ones(n_rows, dtype))
    return Engine(
        network, optimizer, resident, OneOf(*node), micro_batches=8, threads=1, n_train=n_rows,
        global_batch_size=n_rows, start=parameters_of(network, rng, dtype), sharding=number % 2 == 0,
        augmentation=np.zeros(AUGMENTATION_FIELDS) if number % 4 == 0 else None, overlap=number % 8 == 0,
    )  # fmt: skip


def test_every_node_has_memory_that_kernels_are_compiled_for() -> None:
    cases = product(NODES, SIZES, ("float32", "float64"), ("sgd", "adam", "nesterov"), range(3))
    empty = 0
    for number, (*case, _) in enumerate(cases):
        engine = engine_on(*case, number)  # type: ignore[arg-type] # which checks it
        empty += engine.moments.size == 0
        engine.close()
    assert empty > 50


def test_what_kernels_are_not_compiled_for_is_named() -> None:
    engine = engine_on((0, 1), (2, 3, 1), "float32", "adam", 1)
    arena = engine._arena
    check_memory(arena, "float32")
    whole = np.zeros((6, 8))
    wrong: dict[str, Any] = {
        "own_tails": whole,
        "features": arena.features[::2],
        "order": arena.order.astype(np.int32),
        "parameters": np.broadcast_to(arena.parameters[:1], arena.parameters.shape),
        "layers": np.asfortranarray(np.repeat(arena.layers, 2, axis=0)),
        "targets": np.frombuffer(bytes(4 * arena.targets.size), np.float32).reshape(arena.targets.shape),
        "coefficients": arena.coefficients.astype(">f4"),
        "norms": np.zeros(8 * 5 + 1, np.uint8)[1:].view(np.float64),
    }
    for name, array in wrong.items():
        with pytest.raises(TypeError, match=f"^kernels are not compiled for this memory: {name} is "):
            check_memory(arena._replace(**{name: array}), "float32")
    with pytest.raises(TypeError, match=r"settings is .*; offset is "):
        check_memory(arena, "float64")
    engine.close()
