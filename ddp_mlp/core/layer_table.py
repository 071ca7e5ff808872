"""The network as a table of numbers that its kernels read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.core.kernels.network.codes import ACTIVATION_CODES
from ddp_mlp.core.kernels.network.layers import N_IN, ROWS_AT_ONCE, WIDTH
from ddp_mlp.core.kernels.numba_ext.registers import TILE_ROWS
from ddp_mlp.core.kernels.parallel.words import BLOCK
from ddp_mlp.core.network import Network

#: Values of a weight that stay in the second-level cache while all micro-batches are added to them.
_VALUES_AT_ONCE = 2**17


@dataclass(frozen=True)
class LayerTable:
    """A network laid out for its kernels.

    Attributes
    ----------
    layers : ndarray of int64, shape (L, LAYER_COLUMNS)
    settings : ndarray of float64, shape (L, 2)
        Parameter of the activation, and dropout rate of the inputs, of each layer.
    columns : int
        Values of work space for each row of capacity.
    """

    layers: NDArray[np.int64]
    settings: NDArray[np.float64]
    columns: int

    @property
    def values_at_once(self) -> int:
        """Room for those rows of any weight that gradient sums are taken for at once."""
        return int((np.minimum(self.layers[:, N_IN], self.layers[:, ROWS_AT_ONCE]) * self.layers[:, WIDTH]).max())


def layer_table(network: Network, *, training: bool = False) -> LayerTable:
    """Lay out work space: features, every layer's output, and its delta, maxout pieces and masks.

    Deltas and dropout are for `training` alone; elsewhere rates are 0 and there are no masks.
    """
    layout = network.layout
    sizes, n_layers = layout.sizes, layout.n_layers
    starts = np.concatenate([[0], np.cumsum(sizes)]).tolist()
    end = starts[-1] + (sum(sizes[1:-1]) if training else 0)
    rates = network.dropout if training and network.dropout else (0.0,) * n_layers
    layers = []
    for k in range(n_layers):
        linear_at, mask_at = starts[k + 1], 0
        if layout.width(k) != sizes[k + 1]:
            linear_at, end = end, end + layout.width(k)
        if rates[k] > 0:
            mask_at, end = end, end + sizes[k]
        layers.append(_row(network, k, starts, linear_at, mask_at))
    settings = np.array(list(zip(network.activation_params or (0.0,) * n_layers, rates, strict=True)), np.float64)
    return LayerTable(np.array(layers, np.int64), settings, end)


def _row(network: Network, k: int, starts: list[int], linear_at: int, mask_at: int) -> tuple[int, ...]:
    """Return the columns of a layer in the order of `core.kernels.network.layers`."""
    layout = network.layout
    is_transposed = layout.owner(k) != k
    row = layout.sizes[k] if is_transposed else layout.width(k)
    # The deltas of hidden layers lie behind all outputs, in the same order.
    delta_at = starts[k + 1] + (starts[-1] - starts[1] if k < layout.n_layers - 1 else 0)
    return (
        layout.sizes[k],
        layout.sizes[k + 1],
        layout.weight(k).start,
        layout.bias(k).start,
        ACTIVATION_CODES[network.activations[k]],
        starts[k],
        starts[k + 1],
        layout.width(k),
        linear_at,
        mask_at,
        is_transposed,
        layout.tied and not is_transposed,
        delta_at,
        _rows_at_once(row),
    )


def _rows_at_once(row: int) -> int:
    """Return how many rows of a weight gradient sums are taken for at once: whole tiles, and whole blocks.

    A block of parameters may begin with the last value of a row, and all that an update reads of it must be there.
    """
    of_a_block = 1 + -(-(BLOCK - 1) // row)
    return max(_VALUES_AT_ONCE // row, TILE_ROWS, of_a_block + TILE_ROWS - 1) // TILE_ROWS * TILE_ROWS
