"""Evaluation and prediction over all ranks: every sample once, added in a fixed order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.comm import Communicator, agreed
from ddp_mlp.core.kernels.entry_points import evaluate_blocks, predict_blocks
from ddp_mlp.core.kernels.evaluation_sums import EVALUATION_ROWS, RECORD_COLUMNS, LossChoice
from ddp_mlp.core.kernels.network.codes import LOSS_CODES, OUTPUT_CODES
from ddp_mlp.core.kernels.network.layers import Model
from ddp_mlp.core.kernels.network.rows import Rows
from ddp_mlp.core.layer_table import layer_table
from ddp_mlp.core.layout import Floats
from ddp_mlp.core.metrics import classification_metrics, metrics_from_sums, metrics_of_targets, sums_columns
from ddp_mlp.core.network import Network
from ddp_mlp.core.sharding import fair_bounds
from ddp_mlp.data.normalization import Normalization
from ddp_mlp.data.resident import Resident
from ddp_mlp.data.row_reader import RowReader
from ddp_mlp.engine.evaluated_rows import EvaluatedRows, Ids, evaluated_rows
from ddp_mlp.engine.shared_memory import private_array


class Evaluator:
    """Forward passes of one network over rows in memory or in a file, shared out by blocks of samples."""

    def __init__(
        self,
        network: Network,
        task: str,
        rows: Resident | RowReader | EvaluatedRows,
        comm: Communicator,
        threads: int,
        *,
        target_normalization: Normalization | None = None,
    ) -> None:
        """`target_normalization` is that of the targets of the rows: metrics and predictions are taken back."""
        self._network = network
        self._task = task
        self._source = evaluated_rows(rows)
        self._comm = comm
        self._threads = threads
        self._target_normalization = target_normalization
        memory = self._source.memory
        table, dtype = layer_table(network), memory.targets.dtype
        self._layers, self._settings = table.layers, table.settings.astype(dtype)
        self._rows = Rows(
            memory.features, memory.stored, memory.offset, memory.scale, memory.targets, np.zeros(0, dtype)
        )
        self._loss = LossChoice(LOSS_CODES[network.loss], network.evaluated_param, network.logit_threshold)
        self._work = private_array((threads, EVALUATION_ROWS * table.columns), dtype)

    @property
    def most_rows(self) -> int | None:
        """Rows that all ranks together bring into memory at a time, whole blocks; None for any number."""
        most = self._source.most_blocks
        return None if most is None else most * EVALUATION_ROWS * self._comm.world_size

    def evaluate(self, parameters: Floats, ids: NDArray[np.int64]) -> dict[str, Any]:
        """Collective. Return the metrics over the rows `ids`, in that order; of a file they ascend.

        All samples count the same, and labels are not smoothed: weights and smoothing are
        for training.
        """
        sums, _, _ = self._measure(parameters, ids, with_records=False)
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
        sums, records, labels = self._measure(parameters, ids, with_records=self._task != "regression")
        found = metrics_from_sums(sums, self._task, self._units())
        if self._task == "regression":
            return found | {"targets": metrics_of_targets(sums, self._units(), names)}
        n_classes = max(2, self._network.layout.sizes[-1])
        return found | classification_metrics(labels, records, n_classes, names, top_k)

    def _units(self) -> NDArray[np.float64] | None:
        """Return one unit of the normalised targets in units of the data."""
        return None if self._target_normalization is None else 1.0 / self._target_normalization.scale

    def _measure(
        self, parameters: Floats, ids: NDArray[np.int64], *, with_records: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
        """Collective. Return the sums of all blocks and, where wanted, record and label of every sample.

        A block before the first gives room to what stands before the rows of a piece.
        """
        model = Model(self._layers, self._settings, parameters)
        n_blocks, size = -(-len(ids) // EVALUATION_ROWS), EVALUATION_ROWS
        sums = np.zeros((1 + n_blocks, sums_columns(self._task, self._network.layout.sizes[-1])))
        records = np.zeros(((1 + n_blocks) * size if with_records else 0, RECORD_COLUMNS))
        labels = np.zeros(n_blocks * size if with_records else 0, np.int64)
        with agreed(self._comm):
            for first, last in self._own_pieces(0, n_blocks):
                order, shift = self._source.bring(ids, first, last)
                of_piece = sums[1 + shift :], records[(1 + shift) * size :]

                def blocks(work: Floats, a: int, b: int, order: Ids = order, to: tuple[Any, ...] = of_piece) -> None:
                    evaluate_blocks(model, self._rows, self._loss, work, order, a, b, *to)

                self._share_out(blocks, first - shift, last - shift)
                if with_records:
                    rows = order[(first - shift) * size : (last - shift) * size]
                    labels[first * size : first * size + len(rows)] = self._rows.targets[rows, 0]
        self._comm.gather_rows(sums[1:], self._counts(n_blocks))
        if with_records:
            self._comm.gather_rows(records[size:], [n * size for n in self._counts(n_blocks)])
            self._comm.gather_rows(labels, [n * size for n in self._counts(n_blocks)])
        return sums[1:], records[size:][: len(ids)], labels[: len(ids)]

    def predict(self, parameters: Floats, ids: NDArray[np.int64]) -> Floats:
        """Collective. Return the network's outputs for the rows `ids`, shape (n, n_outputs), in units of the data."""
        none = self._in_units(np.zeros((0, self._network.layout.sizes[-1]), parameters.dtype))
        pieces = [outputs for _, outputs in self.predict_pieces(parameters, ids)]
        return pieces[0] if len(pieces) == 1 else np.concatenate([none, *pieces])

    def predict_pieces(self, parameters: Floats, ids: NDArray[np.int64]) -> Iterator[tuple[int, Floats]]:
        """Collective. Yield outputs as of `predict` for some rows after the other, and where in `ids` these begin."""
        model, output = Model(self._layers, self._settings, parameters), OUTPUT_CODES[self._network.output]

        def put(order: Ids, first: int, last: int, to: Floats) -> None:
            def blocks(work: Floats, a: int, b: int) -> None:
                predict_blocks(model, self._rows, output, work, order, a, b, to)

            self._share_out(blocks, first, last)

        for start, outputs in self._pieces(ids, self._network.layout.sizes[-1], put):
            yield start, self._in_units(outputs)

    def targets(self, ids: NDArray[np.int64]) -> Floats:
        """Collective. Return the targets of rows, shape (n, T), in units of the data; labels are numbers of classes."""

        def put(order: Ids, first: int, last: int, to: Floats) -> None:
            rows = order[first * EVALUATION_ROWS : last * EVALUATION_ROWS]
            to[first * EVALUATION_ROWS :][: len(rows)] = self._rows.targets[rows]

        n_targets = self._rows.targets.shape[1]
        pieces = [self._in_units(targets) for _, targets in self._pieces(ids, n_targets, put)]
        return np.concatenate([np.zeros((0, n_targets), self._rows.targets.dtype), *pieces])

    def _pieces(
        self, ids: NDArray[np.int64], n_columns: int, put: Callable[[Ids, int, int, Floats], None]
    ) -> Iterator[tuple[int, Floats]]:
        """Collective. Yield the numbers of some rows after the other, of which each rank puts down those of its blocks.

        ``put(order, first, last, to)`` has row r of `order`, of blocks `first` to `last`, in row r of `to`.
        """
        n_blocks, size = -(-len(ids) // EVALUATION_ROWS), EVALUATION_ROWS
        at_once = (self._source.most_blocks or max(1, n_blocks)) * self._comm.world_size
        for begin in range(0, n_blocks, at_once):
            end = min(begin + at_once, n_blocks)
            found = np.zeros(((1 + end - begin) * size, n_columns), self._rows.targets.dtype)
            with agreed(self._comm):
                for first, last in self._own_pieces(begin, end):
                    order, shift = self._source.bring(ids, first, last)
                    put(order, first - shift, last - shift, found[(1 + shift - begin) * size :])
            self._comm.gather_rows(found[size:], [n * size for n in self._counts(end - begin)])
            yield begin * size, found[size:][: min(end * size, len(ids)) - begin * size]

    def _in_units(self, outputs: Floats) -> Floats:
        if self._target_normalization is None:
            return outputs
        # In float64: a large offset would cost the answers their digits.
        return outputs / self._target_normalization.scale + self._target_normalization.offset

    def _own_pieces(self, begin: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield first and last of some blocks after the other, of those that this rank has of ``begin`` to ``end``."""
        first, last = fair_bounds(end - begin, self._comm.rank, self._comm.world_size)
        step = self._source.most_blocks or max(1, last - first)
        for at in range(begin + first, begin + last, step):
            yield at, min(at + step, begin + last)

    def _counts(self, n_blocks: int) -> list[int]:
        world_size = self._comm.world_size
        bounds = [fair_bounds(n_blocks, rank, world_size) for rank in range(world_size)]
        return [last - first for first, last in bounds]

    def _share_out(self, blocks: Callable[[Floats, int, int], None], first: int, last: int) -> None:
        """Let each thread of this rank do its part of some blocks."""
        parts = [fair_bounds(last - first, t, self._threads) for t in range(self._threads)]
        if self._threads == 1:
            blocks(self._work[0], first, last)
            return
        with ThreadPoolExecutor(self._threads) as pool:
            done = [pool.submit(blocks, self._work[t], first + a, first + b) for t, (a, b) in enumerate(parts)]
            for future in done:
                future.result()
