"""The network that a configuration and a task ask for: widths, activations, loss."""

from __future__ import annotations

from dataclasses import dataclass

from ddp_mlp.catalog.activations import ACTIVATIONS
from ddp_mlp.catalog.keys import keys_of, takers
from ddp_mlp.catalog.losses import LOSSES, losses_of
from ddp_mlp.config import LossConfig, ModelConfig
from ddp_mlp.core.layout import Layout
from ddp_mlp.errors import UsageError


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
    activation_params : tuple of float
        Of each layer's activation its slope or alpha; empty for zeros.
    dropout : tuple of float
        Probability with which an input of each layer is dropped in training; empty for zeros.
    loss_param : float
        The value of the loss's key, such as its label smoothing; 0 where it has none.
    """

    layout: Layout
    activations: tuple[str, ...]
    loss: str
    output: str
    activation_params: tuple[float, ...] = ()
    dropout: tuple[float, ...] = ()
    loss_param: float = 0.0

    @property
    def can_defer(self) -> bool:
        """Whether the gradient sums of weights can be taken after the backward pass.

        Dropped inputs are not there any more, and a tied weight has sums in two layers.
        """
        return not self.layout.tied and not any(self.dropout)

    @property
    def logit_threshold(self) -> float:
        """The logit that a binary answer must exceed for the answer 1."""
        return LOSSES[self.loss].logit_threshold

    @property
    def output_threshold(self) -> float:
        """The output that a binary answer must exceed for the answer 1."""
        return LOSSES[self.loss].output_threshold

    @property
    def evaluated_param(self) -> float:
        """The value of the loss's key in evaluation; labels are smoothed in training alone."""
        return 0.0 if LOSSES[self.loss].is_for_training else self.loss_param


def build_network(model: ModelConfig, loss: LossConfig, task: str, n_features: int, n_outputs: int) -> Network:
    """Fit the configured model to a data set.

    Parameters
    ----------
    task : str
        regression, binary or multiclass.
    n_features, n_outputs : int
        Columns of the features, and logits.

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
    activations = (*model.hidden_activations(), "identity")
    pieces = tuple(ACTIVATIONS[activation].pieces(model) for activation in activations)
    return Network(
        Layout(sizes, pieces if max(pieces) > 1 else (), model.tied),
        activations,
        name,
        output,
        tuple(ACTIVATIONS[activation].parameter(model) for activation in activations),
        model.dropout_rates(),
        LOSSES[name].parameter(loss),
    )


def check_trainable(network: Network) -> None:
    """Raise UsageError if no gradient reaches some weights, whatever the data."""
    for name in network.activations:
        if not ACTIVATIONS[name].can_learn:
            raise UsageError(
                f"[model] activation = {name!r}: its slope is 0, so the layers below would never learn; use sigmoid or "
                "tanh, or step as the output of a perceptron: hidden = [], output = 'step', [loss] name = 'perceptron'"
            )


def _choose_loss(loss: LossConfig, output: str, task: str) -> tuple[str, str]:
    """Return the loss and the output unit: those configured, or the first that fit."""
    fitting = losses_of(task)
    suiting = [name for name in fitting if output in ("auto", LOSSES[name].output)]
    if loss.name == "auto" and not suiting:
        units = dict.fromkeys(LOSSES[name].output for name in fitting)
        raise UsageError(
            f"[model] output = {output!r} does not fit a {task} data set; allowed: {', '.join(units)}, auto"
        )
    name = suiting[0] if loss.name == "auto" else loss.name
    if name not in fitting:
        raise UsageError(f"[loss] name = {name!r} does not fit a {task} data set; allowed: {', '.join(fitting)}, auto")
    if name not in suiting:
        raise UsageError(
            f"[model] output = {output!r} does not go with the loss {name!r}; allowed: {LOSSES[name].output}, auto"
        )
    for key, about in keys_of(LOSSES.values()).items():
        if key not in LOSSES[name].keys and getattr(loss, key) != about.default:
            allowed = ", ".join(takers(LOSSES, key))
            raise UsageError(f"[loss] {key} does not go with the loss {name!r}; allowed: {allowed}")
    return name, LOSSES[name].output
