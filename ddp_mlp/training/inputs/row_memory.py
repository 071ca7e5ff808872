"""Memory for rows that all ranks of a node see."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.comm import Communicator
from ddp_mlp.data.dataset.split import Split
from ddp_mlp.data.resident import sizes_of_rows


class SharedAllocations:
    """Shared memory for the rows of splits, asked for collectively before it is taken.

    Asking is collective, filling may fail on one rank, so the two are kept apart.
    """

    def __init__(
        self,
        comm: Communicator,
        splits: Sequence[Split],
        n_features: int,
        n_targets: int,
        dtype: str,
        *,
        weighted: bool = False,
    ) -> None:
        sizes = sizes_of_rows(splits, n_features, n_targets, dtype, weighted=weighted)
        self._blocks = [comm.node_shared(size) for size in sizes]

    def take(self, n_bytes: int) -> NDArray[np.uint8]:
        """Return the next block; it has the size that was asked for."""
        return self._blocks.pop(0)[:n_bytes]
