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
    "binary": ("binary_cross_entropy", "mse", "hinge", "perceptron"),
    "multiclass": ("cross_entropy",),
}
#: Output unit of each loss.
OUTPUT_OF_LOSS = {
    "mse": "linear",
    "binary_cross_entropy": "sigmoid",
    "cross_entropy": "softmax",
    "hinge": "linear",
    "perceptron": "step",
}
#: Values of a weight that stay in the second-level cache while all micro-batches are added to them.
_VALUES_AT_ONCE = 2**16
#: What a single logit, and a single output, must exceed for the answer 1, where that is not 0 and 1/2.
_LOGIT_THRESHOLDS = {"mse": 0.5}
_OUTPUT_THRESHOLDS = {"hinge": 0.0}


@dataclass(frozen=True)
class Network:
    """A network that can be computed.

    Attributes
    ----------
    layout : Layout
        Widths, and where the parameters lie.
    activations : tuple of str
        Activation after each layer; the last is ``identity``, the output unit follows it.
        A layer of several pieces is ``maxout``.
    loss, output : str
        Names of the loss and of the output unit that belongs to it.
    shapes : tuple of float
        Setting of each layer's activation, its slope or alpha; empty for zeros.
    dropout : tuple of float
        Probability with which an input of each layer is dropped in training; empty for zeros.
    label_smoothing : float
        Part of the target that cross-entropy spreads over all classes in training.
    """

    layout: Layout
    activations: tuple[str, ...]
    loss: str
    output: str
    shapes: tuple[float, ...] = ()
    dropout: tuple[float, ...] = ()
    label_smoothing: float = 0.0

    @property
    def can_defer(self) -> bool:
        """Whether the gradient sums of weights can be taken after the backward pass.

        Dropped inputs are not there any more, and a tied weight has sums in two layers.
        """
        return not self.layout.tied and not any(self.dropout)

    @property
    def logit_threshold(self) -> float:
        """What the logit of a binary answer must exceed for the answer 1."""
        return _LOGIT_THRESHOLDS.get(self.loss, 0.0)

    @property
    def output_threshold(self) -> float:
        """What the output of a binary answer must exceed for the answer 1."""
        return _OUTPUT_THRESHOLDS.get(self.loss, 0.5)


def build_network(model: ModelConfig, loss: LossConfig, task: str, n_features: int, n_outputs: int) -> Network:
    """Fit the configured model to a data set.

    Raises
    ------
    UsageError
        If loss, output unit and task do not go together, or a tied network does not end as
        wide as it begins; the message names what is allowed.
    """
    name, output = _choose_loss(loss, model.output, task)
    sizes = (n_features, *model.hidden, n_outputs)
    if model.tied and sizes != sizes[::-1]:
        raise UsageError(
            f"[model] tied: a network of {n_features} features must end in as many outputs, not {n_outputs}; "
            "set [data] autoencode = true, or tied = false"
        )
    hidden = model.hidden_activations()
    pieces = tuple(model.maxout_pieces if activation == "maxout" else 1 for activation in (*hidden, "identity"))
    settings = {"leaky_relu": model.leaky_slope, "elu": model.elu_alpha}
    return Network(
        Layout(sizes, pieces if max(pieces) > 1 else (), model.tied),
        (*hidden, "identity"),
        name,
        output,
        tuple(settings.get(activation, 0.0) for activation in (*hidden, "identity")),
        model.dropout_rates(),
        loss.label_smoothing,
    )


def check_trainable(network: Network) -> None:
    """Raise UsageError if no gradient reaches some weights, whatever the data."""
    if "step" in network.activations:
        raise UsageError(
            "[model] activation = 'step': its slope is 0, so the layers below would never learn; use sigmoid or tanh, "
            "or step as the output of a perceptron: hidden = [], output = 'step', [loss] name = 'perceptron'"
        )


def _choose_loss(loss: LossConfig, output: str, task: str) -> tuple[str, str]:
    """Return the loss and the output unit: those configured, or the first that fit."""
    fitting = LOSSES_OF_TASK[task]
    suiting = [name for name in fitting if output in ("auto", OUTPUT_OF_LOSS[name])]
    if loss.name == "auto" and not suiting:
        units = dict.fromkeys(OUTPUT_OF_LOSS[name] for name in fitting)
        raise UsageError(
            f"[model] output = {output!r} does not fit a {task} data set; allowed: {', '.join(units)}, auto"
        )
    name = suiting[0] if loss.name == "auto" else loss.name
    if name not in fitting:
        raise UsageError(f"[loss] name = {name!r} does not fit a {task} data set; allowed: {', '.join(fitting)}, auto")
    if name not in suiting:
        raise UsageError(
            f"[model] output = {output!r} does not go with the loss {name!r}; allowed: {OUTPUT_OF_LOSS[name]}, auto"
        )
    if loss.label_smoothing > 0 and name != "cross_entropy":
        raise UsageError(f"[loss] label_smoothing does not go with the loss {name!r}; allowed: cross_entropy")
    return name, OUTPUT_OF_LOSS[name]


@dataclass(frozen=True)
class LayerTable:
    """The network as the numbers its kernels read.

    Attributes
    ----------
    layers : ndarray of int64, shape (L, LAYER_COLUMNS)
    settings : ndarray of float64, shape (L, 2)
        Setting of the activation, and dropout rate of the inputs, of each layer.
    columns : int
        Values of work space for each row of capacity.
    """

    layers: NDArray[np.int64]
    settings: NDArray[np.float64]
    columns: int

    @property
    def values_at_once(self) -> int:
        """Room for those rows of any weight that gradient sums are taken for at once."""
        from ddp_mlp.core.kernels.network.layers import N_IN, ROWS_AT_ONCE, WIDTH

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
    settings = np.array(list(zip(network.shapes or (0.0,) * n_layers, rates, strict=True)), np.float64)
    return LayerTable(np.array(layers, np.int64), settings, end)


def _row(network: Network, k: int, starts: list[int], linear_at: int, mask_at: int) -> tuple[int, ...]:
    """Return the columns of a layer in the order of `core.kernels.layers`."""
    from ddp_mlp.core.kernels.network.activations import ACTIVATION_CODES

    layout = network.layout
    # The pieces of a maxout unit are linear; the network takes the largest.
    activation = "identity" if network.activations[k] == "maxout" else network.activations[k]
    is_transposed = layout.owner(k) != k
    row = layout.sizes[k] if is_transposed else layout.width(k)
    # The deltas of hidden layers lie behind all outputs, in the same order.
    delta_at = starts[k + 1] + (starts[-1] - starts[1] if k < layout.n_layers - 1 else 0)
    return (
        layout.sizes[k],
        layout.sizes[k + 1],
        layout.weight(k).start,
        layout.bias(k).start,
        ACTIVATION_CODES[activation],
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

    A block of parameters may begin with the last value of a row, and what an update reads of it must be there.
    """
    from ddp_mlp.core.kernels.gemm.microkernel import TILE_ROWS
    from ddp_mlp.core.kernels.parallel.tree import BLOCK

    of_a_block = 1 + -(-(BLOCK - 1) // row)
    return max(_VALUES_AT_ONCE // row, TILE_ROWS, of_a_block + TILE_ROWS - 1) // TILE_ROWS * TILE_ROWS
