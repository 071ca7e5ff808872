"""Shares of the parameters: they part the vector, and a node holds no more than its own."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ddp_mlp.comm import SingleProcess
from ddp_mlp.config import Config, DataConfig, OptimizerConfig, TrainConfig
from ddp_mlp.core.blocks import LayerGroup, block_table
from ddp_mlp.core.layout import Layout
from ddp_mlp.engine.engine import Engine
from ddp_mlp.engine.optimizer_shards import OptimizerShards, sharding_of
from tests.building import network_of, parameters_of, resident_of, targets_for

SIZES = st.lists(st.integers(1, 60), min_size=2, max_size=5).map(tuple)


class OneOf(SingleProcess):
    """One of some nodes of one rank, without the others."""

    def __init__(self, node: int, n_nodes: int) -> None:
        super().__init__()
        self.node, self.node_sizes = node, (1,) * n_nodes  # type: ignore[assignment]


@given(SIZES, st.integers(2, 9), st.integers(1, 3))
def test_shares_part_every_group_in_order(sizes: tuple[int, ...], n_nodes: int, n_groups: int) -> None:
    table = block_table(Layout(sizes))
    edges = [len(table.blocks) * i // n_groups for i in range(n_groups + 1)]
    groups = [LayerGroup((), blocks) for blocks in pairwise(edges)]
    shares = [OptimizerShards(table, OneOf(node, n_nodes), groups, True, 4) for node in range(n_nodes)]
    vector = np.arange(2 * Layout(sizes).n_parameters).reshape(2, -1)
    pieces = [
        share.own_part(vector)[:, slice(*place)]
        for group in range(n_groups)
        for share in shares
        for place in [share.places()[group]]
    ]
    np.testing.assert_array_equal(np.concatenate(pieces, axis=1), vector)
    assert [share.n_values for share in shares] == [share.own_part(vector).shape[1] for share in shares]


def test_a_node_holds_its_share_only(rng: np.random.Generator) -> None:
    """Moments and the sums of the other nodes are divided by the nodes; whole are the parameters and its own sums."""
    network = network_of((200, 100, 100, 3), "tanh", "cross_entropy")
    resident = resident_of(rng.normal(0, 1, (32, 200)), targets_for(network, 32, rng), "float32")
    held = []
    for node in range(4):
        engine = Engine(
            network, "adam", resident, OneOf(node, 4), micro_batches=4, threads=1, n_train=32,
            global_batch_size=32, start=parameters_of(network, rng, "float32"), sharding=True,
        )  # fmt: skip
        held.append(engine.moments.shape[1])
        assert 0 <= engine.gradient.size - engine.moments.shape[1] <= 32, "a tail and padding"
        engine.close()
    assert sum(held) == network.layout.n_parameters
    assert max(held) - min(held) <= 2 * 1024


def test_a_line_search_needs_the_whole_gradient() -> None:
    def choice(optimizer: str, **train: Any) -> Any:
        return sharding_of(
            Config(
                data=DataConfig(train="x.h5"),
                optimizer=OptimizerConfig(name=optimizer),  # type: ignore[arg-type]
                train=TrainConfig(**train),
            )
        )

    assert choice("line_search", shard_optimizer=True) is False
    assert choice("adam", shard_optimizer=True) is True
    assert choice("adam") == "auto"
