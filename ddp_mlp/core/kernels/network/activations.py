"""Activation functions: each value beside its derivative.

An activation is two scalar functions. The derivative is a function of the activation
``h = g(a)`` itself, so the pre-activation need not be kept. Both take a second argument,
the setting `p` of their layer: a slope, an alpha, or nothing they look at. A new one is one
entry in `ACTIVATIONS`; its place there is its code in the kernels. Maxout is no function of
one number: its layer is made of linear pieces, see `ddp_mlp.core.kernels.network.maxout`.

Sources: Goodfellow, Bengio, Courville, "Deep Learning" (2016), section 6.3; ELU: Clevert,
Unterthiner, Hochreiter, ICLR 2016, equation 15.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ddp_mlp.core.kernels.numba_ext.exponential import exp
from ddp_mlp.core.kernels.numba_ext.intrinsics import inlined, jit, like
from ddp_mlp.core.kernels.vector_ops import add_columns


class Activation(NamedTuple):
    """One activation: ``value(a, p)`` and ``derivative(h, p)`` with ``h = value(a, p)``."""

    name: str
    value: Any
    derivative: Any


@jit
def _identity(a, p):
    return a


@jit
def _identity_derivative(h, p):
    return like(h, 1.0)


@jit
def logistic(a):
    """Return ``1 / (1 + exp(-a))`` without overflow for any finite `a`."""
    e = exp(-abs(a))
    return (like(a, 1.0) if a >= like(a, 0.0) else e) / (like(a, 1.0) + e)


@jit
def _sigmoid(a, p):
    return logistic(a)


@jit
def _sigmoid_derivative(h, p):
    return h * (like(h, 1.0) - h)


@jit
def _tanh(a, p):
    return math.tanh(a)


@jit
def _tanh_derivative(h, p):
    return like(h, 1.0) - h * h


@jit
def _relu(a, p):
    # `a` itself when it is not negative, so that a NaN stays visible.
    return like(a, 0.0) if a < like(a, 0.0) else a


@jit
def _relu_derivative(h, p):
    return like(h, 1.0) if h > like(h, 0.0) else like(h, 0.0)


@jit
def _arctan(a, p):
    return math.atan(a)


@jit
def _arctan_derivative(h, p):
    """``1 / (1 + a^2) = cos(h)^2``."""
    c = math.cos(h)
    return c * c


@jit
def _leaky_relu(a, p):
    return p * a if a < like(a, 0.0) else a


@jit
def _leaky_relu_derivative(h, p):
    return like(h, 1.0) if h > like(h, 0.0) else p


@jit
def _elu(a, p):
    """``a`` above 0, else ``p (exp(a) - 1)``; the error is that of 1, not of the result."""
    below = p * (exp(a) - like(a, 1.0))
    return a if a > like(a, 0.0) else below


@jit
def _elu_derivative(h, p):
    return like(h, 1.0) if h > like(h, 0.0) else h + p


@jit
def _softplus(a, p):
    """``log(1 + exp(a))`` without overflow."""
    return max(a, like(a, 0.0)) + math.log1p(exp(-abs(a)))


@jit
def _softplus_derivative(h, p):
    """``sigmoid(a) = 1 - exp(-h)``."""
    return -math.expm1(-h)


@jit
def _step(a, p):
    """1 above 0, else 0; a NaN stays visible."""
    below = like(a, 0.0) if a <= like(a, 0.0) else a
    return like(a, 1.0) if a > like(a, 0.0) else below


@jit
def _step_derivative(h, p):
    # Zero wherever there is one: nothing below a step learns, so configurations refuse to train it.
    return like(h, 0.0)


ACTIVATIONS = (
    Activation("identity", _identity, _identity_derivative),
    Activation("sigmoid", _sigmoid, _sigmoid_derivative),
    Activation("tanh", _tanh, _tanh_derivative),
    Activation("relu", _relu, _relu_derivative),
    Activation("arctan", _arctan, _arctan_derivative),
    Activation("leaky_relu", _leaky_relu, _leaky_relu_derivative),
    Activation("elu", _elu, _elu_derivative),
    Activation("softplus", _softplus, _softplus_derivative),
    Activation("step", _step, _step_derivative),
)
ACTIVATION_CODES = {activation.name: code for code, activation in enumerate(ACTIVATIONS)}


def _forward_of(code: int, activation: Activation, otherwise: Any) -> Any:
    value = activation.value

    def activate(chosen, values, bias, p):
        if chosen == code:
            n_columns = bias.shape[0]
            for start in range(0, values.shape[0], n_columns):
                row = values[start : start + n_columns]
                for c in range(n_columns):
                    row[c] = value(row[c] + bias[c], p)
        else:
            otherwise(chosen, values, bias, p)

    return inlined(activate, f"activate_{activation.name}")


def _backward_of(code: int, activation: Activation, otherwise: Any) -> Any:
    derivative = activation.derivative

    def descend(chosen, delta, h, p):
        if chosen == code:
            for i in range(delta.shape[0]):
                delta[i] *= derivative(h[i], p)
        else:
            otherwise(chosen, delta, h, p)

    return inlined(descend, f"descend_{activation.name}")


@inlined
def _no_forward(chosen, values, bias, p):
    raise ValueError("unknown activation code")


@inlined
def _no_backward(chosen, delta, h, p):
    raise ValueError("unknown activation code")


def _chain() -> tuple[Any, Any]:
    forward, backward = _no_forward, _no_backward
    for code, activation in reversed(list(enumerate(ACTIVATIONS))):
        forward = _forward_of(code, activation, forward)
        backward = _backward_of(code, activation, backward)
    return forward, backward


_activate, _descend = _chain()

#: Rows whose derivatives are taken before their columns are added up: few enough to stay in
#: the first-level cache, enough to make the choice among activations free.
_ROWS = 4


@jit
def bias_activate(chosen, values, bias, p):
    """Turn the products (B * O,) of a layer into activations in place: ``h = g(z + b)``."""
    _activate(chosen, values, bias, p)


@jit
def times_derivative(chosen, delta, h, total, p):
    """Multiply deltas (B * O,) by ``g'(a)`` in place, and add their column sums to `total` (O,)."""
    size = _ROWS * total.shape[0]
    for start in range(0, delta.shape[0], size):
        rows = delta[start : start + size]
        _descend(chosen, rows, h[start : start + size], p)
        add_columns(rows, total)
