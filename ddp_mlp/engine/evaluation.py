"""Evaluation and prediction over all ranks: every sample once, added in a fixed order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.comm import Communicator
from ddp_mlp.core.kernels.evaluation import EVALUATION_ROWS, RECORD_COLUMNS, LossChoice, evaluate_blocks, predict_blocks
from ddp_mlp.core.kernels.network.layers import Model
from ddp_mlp.core.kernels.network.losses import LOSS_CODES, OUTPUT_CODES
from ddp_mlp.core.kernels.network.passes import Rows
from ddp_mlp.core.layer_table import layer_table
from ddp_mlp.core.layout import Floats
from ddp_mlp.core.metrics import classification_metrics, metrics_from_sums, metrics_of_targets, sums_columns
from ddp_mlp.core.network import Network
from ddp_mlp.core.sharding import fair_bounds
from ddp_mlp.data.normalization import Normalization
from ddp_mlp.data.resident import Resident
from ddp_mlp.engine.shared_memory import private_array


class Evaluator:
    """Forward passes of one network over resident rows, shared out by blocks of samples."""

    def __init__(
        self,
        network: Network,
        task: str,
        resident: Resident,
        comm: Communicator,
        threads: int,
        *,
        target_normalization: Normalization | None = None,
    ) -> None:
        """`target_normalization` is that of the resident targets: metrics and predictions are taken back."""
        self._network = network
        self._task = task
        self._resident = resident
        self._comm = comm
        self._threads = threads
        self._target_normalization = target_normalization
        table, dtype = layer_table(network), resident.targets.dtype
        self._layers, self._settings = table.layers, table.settings.astype(dtype)
        self._rows = Rows(
            resident.features, resident.stored, resident.offset, resident.scale, resident.targets, np.zeros(0, dtype)
        )
        self._loss = LossChoice(LOSS_CODES[network.loss], network.evaluated_param, network.logit_threshold)
        self._work = private_array((threads, EVALUATION_ROWS * table.columns), dtype)

    def evaluate(self, parameters: Floats, ids: NDArray[np.int64]) -> dict[str, Any]:
        """Collective. Return the metrics over the rows `ids`, in that order.

        All samples count the same, and labels are not smoothed: weights and smoothing are
        for training.
        """
        sums, _ = self._measure(parameters, ids, with_records=False)
        return metrics_from_sums(sums, self._task, self._units())

    def evaluate_in_detail(
        self, parameters: Floats, ids: NDArray[np.int64], names: Sequence[str] | None = None, top_k: int = 0
    ) -> dict[str, Any]:
        """Collective. Return the metrics of `evaluate`, and those of each class or target.

        Parameters
        ----------
        names : sequence of str
            Of the classes or targets.
        top_k : int
            Also count answers among the `top_k` likeliest classes; 0 for not.
        """
        sums, records = self._measure(parameters, ids, with_records=self._task != "regression")
        found = metrics_from_sums(sums, self._task, self._units())
        if self._task == "regression":
            return found | {"targets": metrics_of_targets(sums, self._units(), names)}
        n_classes = max(2, self._network.layout.sizes[-1])
        labels = self._resident.targets[ids, 0].astype(np.int64)
        return found | classification_metrics(labels, records, n_classes, names, top_k)

    def _units(self) -> NDArray[np.float64] | None:
        """Return one unit of the normalised targets in units of the data."""
        return None if self._target_normalization is None else 1.0 / self._target_normalization.scale

    def _measure(
        self, parameters: Floats, ids: NDArray[np.int64], *, with_records: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Collective. Return the sums of all blocks and, where wanted, the record of every sample."""
        model = Model(self._layers, self._settings, parameters)
        n_blocks = -(-len(ids) // EVALUATION_ROWS)
        sums = np.zeros((n_blocks, sums_columns(self._task, self._network.layout.sizes[-1])))
        records = np.zeros((n_blocks * EVALUATION_ROWS if with_records else 0, RECORD_COLUMNS))

        def blocks(work: Floats, first: int, last: int) -> None:
            evaluate_blocks(model, self._rows, self._loss, work, ids, first, last, sums, records)

        self._share_out(blocks, n_blocks)
        self._comm.gather_rows(sums, self._counts(n_blocks))
        if with_records:
            self._comm.gather_rows(records, [n * EVALUATION_ROWS for n in self._counts(n_blocks)])
        return sums, records[: len(ids)]

    def predict(self, parameters: Floats, ids: NDArray[np.int64]) -> Floats:
        """Collective. Return the network's outputs for the rows `ids`, shape (n, n_outputs), in units of the data."""
        model, output = Model(self._layers, self._settings, parameters), OUTPUT_CODES[self._network.output]
        n_blocks = -(-len(ids) // EVALUATION_ROWS)
        n_outputs = self._network.layout.sizes[-1]
        outputs = np.zeros((n_blocks * EVALUATION_ROWS, n_outputs), parameters.dtype)

        def blocks(work: Floats, first: int, last: int) -> None:
            predict_blocks(model, self._rows, output, work, ids, first, last, outputs)

        self._share_out(blocks, n_blocks)
        self._comm.gather_rows(outputs, [n * EVALUATION_ROWS for n in self._counts(n_blocks)])
        outputs = outputs[: len(ids)]
        if self._target_normalization is None:
            return outputs
        # In float64: a large offset would cost the answers their digits.
        return outputs / self._target_normalization.scale + self._target_normalization.offset

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
