"""Answers of one network, block by block, from tables that are made once: for many calls, and for many threads."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.core.kernels.entry_points import Call, predict_blocks
from ddp_mlp.core.kernels.evaluation_sums import EVALUATION_ROWS
from ddp_mlp.core.kernels.network.codes import OUTPUT_CODES
from ddp_mlp.core.kernels.network.layers import Model
from ddp_mlp.core.kernels.network.rows import STORED_AS_DTYPE, STORED_AS_UINT8, Rows
from ddp_mlp.core.layer_table import layer_table
from ddp_mlp.core.layout import Floats
from ddp_mlp.core.network import Network

#: Places of what `predict_blocks` takes that change from call to call.
_FEATURES, _STORED, _ORDER, _LAST, _OUTPUTS = 3, 4, 11, 13, 14
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
        n_rows, call = len(features), self._call()
        call.replace(_FEATURES, features.view(np.uint8))
        call.replace_number(_STORED, STORED_AS_UINT8 if features.dtype == np.uint8 else STORED_AS_DTYPE)
        if n_rows != self._own.n_rows:
            call.replace(_ORDER, self._order[:n_rows])
            call.replace_number(_LAST, -(-n_rows // EVALUATION_ROWS))
            self._own.n_rows = n_rows
        call.replace(_OUTPUTS, outputs)
        call()

    def _call(self) -> Call:
        """Return this thread's call of the kernel: laying out what it takes takes longer than one row."""
        try:
            call: Call = self._own.call
        except AttributeError:
            work = np.zeros(EVALUATION_ROWS * self._columns, self.dtype)
            rows = Rows(np.zeros((0, 0), np.uint8), STORED_AS_DTYPE, *self._affine, *self._unused)
            outputs = np.zeros((0, 0), self.dtype)
            self._own.n_rows = 0
            call = self._own.call = predict_blocks.on(
                self._model, rows, self._output, work, self._order[:0], 0, 0, outputs
            )
        return call
