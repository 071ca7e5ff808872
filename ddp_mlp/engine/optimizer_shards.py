"""Which node updates which part of the parameters: each of them all, or each its share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ddp_mlp.catalog.optimizers import OPTIMIZERS
from ddp_mlp.comm import Communicator
from ddp_mlp.config import Config
from ddp_mlp.core.blocks import BlockTable, LayerGroup, share_bounds
from ddp_mlp.core.layout import Floats
from ddp_mlp.core.sharding import AutoBool, Interval, is_sharded


def sharding_of(config: Config) -> AutoBool:
    """Return whether the update may be shared out; not for a line search, which needs the whole gradient."""
    return False if OPTIMIZERS[config.optimizer.name].searches_line else config.train.shard_optimizer


class OptimizerShards:
    """The part of the vector of parameters that each node owns.

    Attributes
    ----------
    blocks : tuple of tuple of (first, last)
        The blocks that each node owns, one range of each group of blocks.
    own : tuple of (first, last)
        Those of this node.
    layers : tuple of tuple of int
        The layers of each group.
    is_sharded : bool
        False where every node owns all.
    """

    def __init__(
        self, table: BlockTable, comm: Communicator, groups: Sequence[LayerGroup], sharding: AutoBool, itemsize: int
    ) -> None:
        """`itemsize` is that of the dtype of training, in bytes."""
        n_nodes = len(comm.node_sizes)
        self.is_sharded = is_sharded(sharding, n_nodes, int(table.blocks[-1, 1]) * itemsize)
        self._edges = np.append(table.blocks[:, 0], table.blocks[-1, 1]).tolist()
        if self.is_sharded:
            self.blocks = share_bounds(table.blocks, [group.blocks for group in groups], n_nodes)
        else:
            self.blocks = (((0, len(table.blocks)),),) * n_nodes
        self.layers = tuple(group.layers for group in groups)
        self._node = comm.node
        self.own = self.blocks[comm.node]
        self.n_values = sum(stop - start for start, stop in self.ranges(comm.node))

    def ranges(self, node: int) -> list[Interval]:
        """Return the part of the vector that a node owns of each group."""
        return [(self._edges[first], self._edges[last]) for first, last in self.blocks[node]]

    def places(self) -> list[Interval]:
        """Return where this node's parts lie when they are laid end to end."""
        ends = np.cumsum([stop - start for start, stop in self.ranges(self._node)]).tolist()
        return list(zip([0, *ends[:-1]], ends, strict=True))

    def own_part(self, vectors: Floats) -> Floats:
        """Return this node's columns of vectors (n, P), end to end."""
        return np.concatenate([vectors[:, start:stop] for start, stop in self.ranges(self._node)], axis=1)
