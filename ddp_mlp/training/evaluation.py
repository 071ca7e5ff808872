"""Evaluation and prediction over all ranks: every sample once, added in a fixed order."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.comm import Communicator
from ddp_mlp.core.kernels.evaluation import EVALUATION_ROWS, evaluate_blocks, predict_blocks
from ddp_mlp.core.kernels.losses import LOSS_CODES, OUTPUT_CODES
from ddp_mlp.core.layout import Floats
from ddp_mlp.core.metrics import metrics_from_sums, sums_columns
from ddp_mlp.core.network import Network, layer_table
from ddp_mlp.core.sharding import fair_bounds
from ddp_mlp.data.resident import Resident


class Evaluator:
    """Forward passes of one network over resident rows, shared out by blocks of samples."""

    def __init__(self, network: Network, task: str, resident: Resident, comm: Communicator, threads: int) -> None:
        self._network = network
        self._task = task
        self._resident = resident
        self._comm = comm
        self._threads = threads
        self._table = layer_table(network)
        shape = (threads, EVALUATION_ROWS * self._table.columns)
        self._work = np.zeros(shape, resident.targets.dtype)

    def evaluate(self, parameters: Floats, ids: NDArray[np.int64]) -> dict[str, Any]:
        """Collective. Return the metrics over the rows `ids`, in that order."""
        resident, table = self._resident, self._table
        n_blocks = -(-len(ids) // EVALUATION_ROWS)
        sums = np.zeros((n_blocks, sums_columns(self._task, self._network.layout.sizes[-1])))

        def blocks(work: Floats, first: int, last: int) -> None:
            evaluate_blocks(
                table.layers, LOSS_CODES[self._network.loss], EVALUATION_ROWS, parameters, work,
                resident.features, resident.stored, resident.offset, resident.scale,
                resident.targets, ids, first, last, sums,
            )  # fmt: skip

        self._share_out(blocks, n_blocks)
        self._comm.gather_rows(sums, self._counts(n_blocks))
        return metrics_from_sums(sums, self._task)

    def predict(self, parameters: Floats, ids: NDArray[np.int64]) -> Floats:
        """Collective. Return the network's outputs for the rows `ids`, shape (n, n_outputs)."""
        resident, table = self._resident, self._table
        n_blocks = -(-len(ids) // EVALUATION_ROWS)
        n_outputs = self._network.layout.sizes[-1]
        outputs = np.zeros((n_blocks * EVALUATION_ROWS, n_outputs), parameters.dtype)

        def blocks(work: Floats, first: int, last: int) -> None:
            predict_blocks(
                table.layers, OUTPUT_CODES[self._network.output], EVALUATION_ROWS, parameters, work,
                resident.features, resident.stored, resident.offset, resident.scale,
                ids, first, last, outputs,
            )  # fmt: skip

        self._share_out(blocks, n_blocks)
        self._comm.gather_rows(outputs, [n * EVALUATION_ROWS for n in self._counts(n_blocks)])
        return outputs[: len(ids)]

    def _counts(self, n_blocks: int) -> list[int]:
        world_size = self._comm.world_size
        bounds = [fair_bounds(n_blocks, rank, world_size) for rank in range(world_size)]
        return [last - first for first, last in bounds]

    def _share_out(self, blocks: Callable[[Floats, int, int], None], n_blocks: int) -> None:
        """Let each thread of this rank do its part of the rank's blocks."""
        first, last = fair_bounds(n_blocks, self._comm.rank, self._comm.world_size)
        parts = [fair_bounds(last - first, t, self._threads) for t in range(self._threads)]
        if self._threads == 1:
            blocks(self._work[0], first, last)
            return
        with ThreadPoolExecutor(self._threads) as pool:
            done = [pool.submit(blocks, self._work[t], first + a, first + b) for t, (a, b) in enumerate(parts)]
            for future in done:
                future.result()
