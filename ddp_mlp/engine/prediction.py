"""Answers of one network, block by block, from tables that are made once: for many calls, and for many threads."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.core.kernels.evaluation import EVALUATION_ROWS, predict_blocks
from ddp_mlp.core.kernels.network.layers import Model
from ddp_mlp.core.kernels.network.losses import OUTPUT_CODES
from ddp_mlp.core.kernels.network.passes import STORED_AS_DTYPE, STORED_AS_UINT8, Rows
from ddp_mlp.core.layer_table import layer_table
from ddp_mlp.core.layout import Floats
from ddp_mlp.core.network import Network

#: Rows that are answered in one call of a kernel.
ROWS_AT_ONCE = 4 * EVALUATION_ROWS


class Predictor:
    """A network that is ready to answer; each thread has work space of its own."""

    def __init__(self, network: Network, parameters: Floats, offset: NDArray[np.floating], scale: NDArray[np.floating]):
        """`offset` and `scale` (F,) normalise features that are bytes, see `Normalization`."""
        table, dtype = layer_table(network), parameters.dtype
        # Kernels are compiled for arrays that may be written to, which a copy always is.
        self._model = Model(table.layers, table.settings.astype(dtype), np.array(parameters, order="C"))
        self._output = OUTPUT_CODES[network.output]
        self._affine = np.array(offset, dtype), np.array(scale, dtype)
        self._unused = np.zeros((1, 1), dtype), np.zeros(0, dtype)  # targets and weights
        self._order = np.arange(ROWS_AT_ONCE, dtype=np.int64)
        self._columns = table.columns
        self._own = threading.local()
        self.dtype = dtype

    def answer(self, features: NDArray[np.floating] | NDArray[np.uint8], outputs: Floats) -> None:
        """Write the outputs of the network for rows.

        Parameters
        ----------
        features : ndarray of shape (n, F), C order
            At most `ROWS_AT_ONCE` rows: normalised, in the dtype of the network; or uint8, not normalised.
        outputs : ndarray of shape (n, n_outputs)
            In the dtype of the network.
        """
        stored = STORED_AS_UINT8 if features.dtype == np.uint8 else STORED_AS_DTYPE
        rows = Rows(features.view(np.uint8), stored, *self._affine, *self._unused)
        n_rows = len(features)
        n_blocks = -(-n_rows // EVALUATION_ROWS)
        predict_blocks(self._model, rows, self._output, self._work(), self._order[:n_rows], 0, n_blocks, outputs)

    def _work(self) -> Floats:
        """Return the work space of this thread."""
        try:
            work: Floats = self._own.work
        except AttributeError:
            work = self._own.work = np.zeros(EVALUATION_ROWS * self._columns, self.dtype)
        return work
