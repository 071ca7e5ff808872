"""What the configuration and the task make of a network: widths, activations, loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.config import LossConfig, ModelConfig
from ddp_mlp.core.layout import Layout
from ddp_mlp.errors import UsageError

#: The loss that ``loss.name = "auto"`` picks, and all that fit, by task.
LOSSES_OF_TASK = {
    "regression": ("mse",),
    "binary": ("binary_cross_entropy", "mse"),
    "multiclass": ("cross_entropy",),
}
#: Output unit of each loss.
OUTPUT_OF_LOSS = {"mse": "linear", "binary_cross_entropy": "sigmoid", "cross_entropy": "softmax"}


@dataclass(frozen=True)
class Network:
    """A network that can be computed.

    Attributes
    ----------
    layout : Layout
        Widths, and where the parameters lie.
    activations : tuple of str
        Activation after each layer; the last is ``identity``, the output unit follows it.
    loss, output : str
        Names of the loss and of the output unit that belongs to it.
    """

    layout: Layout
    activations: tuple[str, ...]
    loss: str
    output: str


def build_network(model: ModelConfig, loss: LossConfig, task: str, n_features: int, n_outputs: int) -> Network:
    """Fit the configured model to a data set.

    Raises
    ------
    UsageError
        If loss, output unit and task do not go together; the message names those that do.
    """
    fitting = LOSSES_OF_TASK[task]
    name = fitting[0] if loss.name == "auto" else loss.name
    if name not in fitting:
        raise UsageError(f"[loss] name = {name!r} does not fit a {task} data set; allowed: {', '.join(fitting)}, auto")
    output = OUTPUT_OF_LOSS[name]
    if model.output not in ("auto", output):
        raise UsageError(
            f"[model] output = {model.output!r} does not go with the loss {name!r}; allowed: {output}, auto"
        )
    hidden = model.hidden_activations()
    return Network(Layout((n_features, *model.hidden, n_outputs)), (*hidden, "identity"), name, output)


@dataclass(frozen=True)
class LayerTable:
    """The network as the integers its kernels read.

    Attributes
    ----------
    layers : ndarray of int64, shape (L, LAYER_COLUMNS)
    delta_at : ndarray of int64, shape (2,)
        Columns of the work space for the deltas of hidden layers.
    columns : int
        Values of work space for each row of capacity.
    """

    layers: NDArray[np.int64]
    delta_at: NDArray[np.int64]
    columns: int


def layer_table(network: Network) -> LayerTable:
    """Lay out work space for the features, every layer's output and two deltas."""
    from ddp_mlp.core.kernels.activations import ACTIVATION_CODES

    sizes = network.layout.sizes
    starts = np.concatenate([[0], np.cumsum(sizes)])
    layers = [
        (
            sizes[k],
            sizes[k + 1],
            network.layout.weight(k).start,
            network.layout.bias(k).start,
            ACTIVATION_CODES[network.activations[k]],
            starts[k],
            starts[k + 1],
        )
        for k in range(network.layout.n_layers)
    ]
    widest = max(sizes[1:-1], default=0)
    delta_at = np.array([starts[-1], starts[-1] + widest], np.int64)
    return LayerTable(np.array(layers, np.int64), delta_at, int(starts[-1] + 2 * widest))
