"""Activation functions: each value beside its derivative.

An activation is two scalar functions. The derivative is a function of the activation
``h = g(a)`` itself, so the pre-activation need not be kept. Both take a second argument `p`,
the value of the entry's key, a slope or an alpha, or nothing they look at. A new one is two
functions and an entry in `ACTIVATIONS`.

Sources: Goodfellow, Bengio, Courville, "Deep Learning" (2016), section 6.3; ELU: Clevert,
Unterthiner, Hochreiter, ICLR 2016, equation 15.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from msgspec import Meta

from ddp_mlp.catalog.arithmetic import atan, cos, exp, expm1, like, logistic, softplus, tanh
from ddp_mlp.catalog.keys import Entry, Key, NonNegativeFloat, PositiveFloat, Settings


@dataclass(frozen=True)
class Activation(Entry):
    """One activation.

    Attributes
    ----------
    value, derivative : callable
        ``value(a, p)`` and ``derivative(h, p)`` with ``h = value(a, p)``, scalars of the dtype of training.
    init : str
        Start weights that suit it, for ``model.init = "auto"``.
    has_pieces : bool
        Whether a unit is the largest of several such functions, as many as the entry's key says.
    can_learn : bool
        Whether a gradient passes it.
    """

    value: Callable[[Any, Any], Any]
    derivative: Callable[[Any, Any], Any]
    init: str = "glorot_uniform"
    has_pieces: bool = False
    can_learn: bool = True

    def parameter(self, model: Settings) -> float:
        """Return `p` under the settings of ``[model]``; 0 where the entry has no key."""
        return 0.0 if self.has_pieces else sum(getattr(model, key) for key in self.keys)

    def pieces(self, model: Settings) -> int:
        """Return the number of pieces of a unit under the settings of ``[model]``."""
        return sum(getattr(model, key) for key in self.keys) if self.has_pieces else 1


def _identity(a, p):
    return a


def _identity_derivative(h, p):
    return like(h, 1.0)


def _sigmoid(a, p):
    return logistic(a)


def _sigmoid_derivative(h, p):
    return h * (like(h, 1.0) - h)


def _tanh(a, p):
    return tanh(a)


def _tanh_derivative(h, p):
    return like(h, 1.0) - h * h


def _relu(a, p):
    # `a` itself when it is not negative, so that a NaN stays visible.
    return like(a, 0.0) if a < like(a, 0.0) else a


def _relu_derivative(h, p):
    return like(h, 1.0) if h > like(h, 0.0) else like(h, 0.0)


def _arctan(a, p):
    return atan(a)


def _arctan_derivative(h, p):
    """``1 / (1 + a^2) = cos(h)^2``."""
    c = cos(h)
    return c * c


def _leaky_relu(a, p):
    return p * a if a < like(a, 0.0) else a


def _leaky_relu_derivative(h, p):
    return like(h, 1.0) if h > like(h, 0.0) else p


def _elu(a, p):
    """``a`` above 0, else ``p (exp(a) - 1)``, good to an absolute error of one unit in the last place of 1."""
    below = p * (exp(a) - like(a, 1.0))
    return a if a > like(a, 0.0) else below


def _elu_derivative(h, p):
    return like(h, 1.0) if h > like(h, 0.0) else h + p


def _softplus(a, p):
    return softplus(a)


def _softplus_derivative(h, p):
    """``sigmoid(a) = 1 - exp(-h)``."""
    return -expm1(-h)


def _step(a, p):
    """1 above 0, else 0; a NaN stays visible."""
    below = like(a, 0.0) if a <= like(a, 0.0) else a
    return like(a, 1.0) if a > like(a, 0.0) else below


def _step_derivative(h, p):
    # Zero wherever there is one: nothing below a step learns, so configurations refuse to train it.
    return like(h, 0.0)


ACTIVATIONS: dict[str, Activation] = {
    "identity": Activation(_identity, _identity_derivative),
    "sigmoid": Activation(_sigmoid, _sigmoid_derivative),
    "tanh": Activation(_tanh, _tanh_derivative),
    "relu": Activation(_relu, _relu_derivative, init="he_normal"),
    "arctan": Activation(_arctan, _arctan_derivative),
    "leaky_relu": Activation(
        _leaky_relu, _leaky_relu_derivative, init="he_normal",
        keys={"leaky_slope": Key(NonNegativeFloat, "Slope of leaky_relu below 0.", 0.1)},
    ),
    "elu": Activation(
        _elu, _elu_derivative, init="he_normal",
        keys={"elu_alpha": Key(PositiveFloat, "Depth of elu below 0.", 1.0)},
    ),
    "softplus": Activation(_softplus, _softplus_derivative, init="he_normal"),
    # Its pieces are linear; the largest is taken by `core.kernels.network.maxout`.
    "maxout": Activation(
        _identity, _identity_derivative, init="he_normal", has_pieces=True,
        keys={"maxout_pieces": Key(Annotated[int, Meta(ge=2, le=1024)], "Linear pieces of each maxout unit.", 2)},
    ),
    "step": Activation(_step, _step_derivative, can_learn=False),
}  # fmt: skip
