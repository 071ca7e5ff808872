"""The oracle: slow, obvious NumPy in float64, written from the formulas and sharing no code with the product.

Vectors of parameters have the order of `ddp_mlp.core.layout`: for each layer its weight
(n_in, n_out) row by row, then its bias. A network is anything with ``layout.sizes``,
``activations`` and ``loss``. Targets are (B, C), or (B, 1) with labels for cross-entropy.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

Array = np.ndarray


def sigmoid(a: Array) -> Array:
    return 1 / (1 + np.exp(-a))


def softplus(a: Array) -> Array:
    return np.maximum(a, 0) + np.log1p(np.exp(-np.abs(a)))


def softmax(a: Array) -> Array:
    e = np.exp(a - a.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


#: name: (g, dg/da), both functions of the pre-activation.
ACTIVATIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "identity": (lambda a: a, lambda a: np.ones_like(a)),
    "sigmoid": (sigmoid, lambda a: sigmoid(a) * (1 - sigmoid(a))),
    "tanh": (np.tanh, lambda a: 1 / np.cosh(a) ** 2),
    "arctan": (np.arctan, lambda a: 1 / (1 + a**2)),
    "relu": (lambda a: np.where(a > 0, a, 0.0), lambda a: np.where(a > 0, 1.0, 0.0)),
    "softplus": (softplus, sigmoid),
    "leaky_relu": (lambda a: np.where(a > 0, a, 0.1 * a), lambda a: np.where(a > 0, 1.0, 0.1)),
    "elu": (lambda a: np.where(a > 0, a, np.expm1(np.minimum(a, 0))), lambda a: np.exp(np.minimum(a, 0))),
}


def _one_hot(labels: Array, n_classes: int) -> Array:
    return np.eye(n_classes)[labels[:, 0].astype(int)]


#: name: (sum over a row of outputs, its derivative by the logits); (a, t) -> (B,) and (B, C).
LOSSES: dict[str, tuple[Callable[[Array, Array], Array], Callable[[Array, Array], Array]]] = {
    "mse": (lambda a, t: 0.5 * ((t - a) ** 2).sum(axis=1), lambda a, t: a - t),
    "binary_cross_entropy": (lambda a, t: softplus((1 - 2 * t) * a).sum(axis=1), lambda a, t: sigmoid(a) - t),
    "cross_entropy": (
        lambda a, t: -np.log((softmax(a) * _one_hot(t, a.shape[1])).sum(axis=1)),
        lambda a, t: softmax(a) - _one_hot(t, a.shape[1]),
    ),
    "hinge": (
        lambda a, t: np.maximum(0, 1 - (2 * t - 1) * a).sum(axis=1),
        lambda a, t: np.where((2 * t - 1) * a <= 1, 1 - 2 * t, 0.0),
    ),
    "perceptron": (
        lambda a, t: np.maximum(0, -(2 * t - 1) * a).sum(axis=1),
        lambda a, t: np.where((2 * t - 1) * a <= 0, 1 - 2 * t, 0.0),
    ),
}

OUTPUTS: dict[str, Callable[[Array], Array]] = {
    "linear": lambda a: a,
    "sigmoid": sigmoid,
    "softmax": softmax,
    "step": lambda a: np.where(a > 0, 1.0, 0.0),
}


def unpack(theta: Array, sizes: tuple[int, ...]) -> list[tuple[Array, Array]]:
    """Cut a vector into (weight, bias) of every layer."""
    pairs, at = [], 0
    for n_in, n_out in pairwise(sizes):
        weight = np.array(theta[at : at + n_in * n_out], np.float64).reshape(n_in, n_out)
        at += n_in * n_out
        pairs.append((weight, np.array(theta[at : at + n_out], np.float64)))
        at += n_out
    assert at == len(theta)
    return pairs


def pack(pairs: list[tuple[Any, Any]]) -> Array:
    """Join (weight, bias) of every layer to a vector."""
    return np.concatenate([np.ravel(np.array(part, np.float64)) for pair in pairs for part in pair])


def forward(network: Any, theta: Array, x: Array) -> tuple[list[Array], list[Array]]:
    """Return the pre-activations of every layer, and its outputs behind the features."""
    a, h = [], [np.array(x, np.float64)]
    for (weight, bias), name in zip(unpack(theta, network.layout.sizes), network.activations, strict=True):
        a.append(h[-1] @ weight + bias)
        h.append(ACTIVATIONS[name][0](a[-1]))
    return a, h


def predict(network: Any, theta: Array, x: Array) -> Array:
    """Return the outputs, the output unit included."""
    return OUTPUTS[network.output](forward(network, theta, x)[1][-1])


def loss_sum(network: Any, theta: Array, x: Array, t: Array) -> float:
    """Return the loss summed over rows and outputs."""
    return float(LOSSES[network.loss][0](forward(network, theta, x)[1][-1], t).sum())


def gradient_sum(network: Any, theta: Array, x: Array, t: Array) -> Array:
    """Return the gradient of `loss_sum`, layer by layer from the last to the first."""
    a, h = forward(network, theta, x)
    g = LOSSES[network.loss][1](h[-1], t)
    pairs: list[tuple[Array, Array]] = []
    for k, (weight, _) in reversed(list(enumerate(unpack(theta, network.layout.sizes)))):
        g = g * ACTIVATIONS[network.activations[k]][1](a[k])
        pairs.insert(0, (h[k].T @ g, g.sum(axis=0)))
        g = g @ weight.T
    return pack(pairs)


def central_differences(function: Callable[[Array], float], theta: Array, h: float = 1e-6) -> Array:
    """Return the gradient of a function of a vector; error h^2/6 f''' and eps f / h."""
    gradient = np.empty(len(theta))
    for i in range(len(theta)):
        step = np.zeros(len(theta))
        step[i] = h
        gradient[i] = (function(theta + step) - function(theta - step)) / (2 * h)
    return gradient


def rounding_bounds(network: Any, theta: Array, x: Array, t: Array, eps: float) -> tuple[Array, float]:
    """Bound what rounding does, to first order in `eps`, to the sums of gradient and loss.

    A running error analysis: beside each quantity goes a bound of its error. A sum of n
    products rounds by n eps of the sum of their magnitudes, an elementary function by less
    than 8 eps of its scale. All activations here have |g'| <= 1, and their derivative, as a
    function of h, a slope of at most 2. The derivative by the logits changes by no more
    than twice the largest error of a logit of the row.
    """
    a, h = forward(network, theta, x)
    pairs = unpack(theta, network.layout.sizes)
    h_errors, a_error = [np.zeros_like(h[0])], np.zeros(0)
    for k, (weight, bias) in enumerate(pairs):
        magnitude = abs(h[k]) @ abs(weight) + abs(bias)
        a_error = h_errors[k] @ abs(weight) + (len(weight) + 1) * eps * magnitude
        slope = abs(ACTIVATIONS[network.activations[k]][1](a[k]))
        h_errors.append(slope * a_error + 8 * eps * abs(h[k + 1]))

    n_outputs = network.layout.sizes[-1]
    value, derivative = LOSSES[network.loss]
    g = derivative(h[-1], t)
    largest = h_errors[-1].max(axis=1, keepdims=True)
    scale = 1 + abs(h[-1]) + (abs(t) if t.shape == g.shape else 0)
    g_error = 2 * largest + (n_outputs + 8) * eps * scale
    losses = value(h[-1], t)
    loss_error = (abs(g) * largest).sum() + (n_outputs + 16 + len(x)) * eps * (losses.sum() + scale.sum())

    found: list[tuple[Array, Array]] = []
    for k, (weight, _) in reversed(list(enumerate(pairs))):
        if network.activations[k] != "identity":
            slope = ACTIVATIONS[network.activations[k]][1](a[k])
            g_error = slope * g_error + abs(g) * (2 * h_errors[k + 1] + 8 * eps)
            g = g * slope
        into_weight = h_errors[k].T @ abs(g) + abs(h[k]).T @ (g_error + len(x) * eps * abs(g))
        found.insert(0, (into_weight, (g_error + len(x) * eps * abs(g)).sum(axis=0)))
        g_error = (g_error + weight.shape[1] * eps * abs(g)) @ abs(weight).T
        g = g @ weight.T
    return pack(found), float(loss_error)


class Optimizer:
    """The update rules as the Deep Learning book writes them (8.1 to 8.5, 8.7), one step a call.

    AdamW is algorithm 2 of Loshchilov and Hutter, LAMB algorithm 2 of You et al., with the
    identity as its phi, and a ratio of 1 where a norm is 0. `segments` are the weights and
    biases; the whole vector counts as one weight until `lay_out` is called.
    """

    def __init__(self, name: str, n_parameters: int, **settings: float) -> None:
        self.settings = settings
        self.rule = RULES[name]
        self.memory = [np.zeros(n_parameters), np.zeros(n_parameters)]
        self.steps = 0
        self.segments = [(slice(0, n_parameters), True)]

    def lay_out(self, sizes: tuple[int, ...]) -> None:
        """Take the vector for that of a network of these widths."""
        at, self.segments = 0, []
        for n_in, n_out in pairwise(sizes):
            for size, is_weight in ((n_in * n_out, True), (n_out, False)):
                self.segments.append((slice(at, at + size), is_weight))
                at += size

    def gradient_at(self, theta: Array) -> Array:
        """Return where the gradient of the next step is taken."""
        return theta + self.settings["momentum"] * self.memory[0] if self.rule is Optimizer.nesterov else theta

    def step(self, theta: Array, g: Array, learning_rate: float) -> Array:
        """Return the parameters after a step along the mean gradient `g`."""
        self.steps += 1
        return self.rule(self, theta, g, learning_rate)

    def sgd(self, theta: Array, g: Array, eta: float) -> Array:
        return theta - eta * g

    def momentum(self, theta: Array, g: Array, eta: float) -> Array:
        self.memory[0] = self.settings["momentum"] * self.memory[0] - eta * g
        return theta + self.memory[0]

    def nesterov(self, theta: Array, g: Array, eta: float) -> Array:
        self.memory[0] = self.settings["momentum"] * self.memory[0] - eta * g
        return theta + self.memory[0]

    def adagrad(self, theta: Array, g: Array, eta: float) -> Array:
        r = self.memory[0] = self.memory[0] + g * g
        return theta - eta / (self.settings["eps"] + np.sqrt(r)) * g

    def rmsprop(self, theta: Array, g: Array, eta: float) -> Array:
        rho = self.settings["rho"]
        r = self.memory[0] = rho * self.memory[0] + (1 - rho) * g * g
        return theta - eta / np.sqrt(self.settings["eps"] + r) * g

    def adam(self, theta: Array, g: Array, eta: float) -> Array:
        rho1, rho2, delta = (self.settings[name] for name in ("beta1", "beta2", "eps"))
        s = self.memory[0] = rho1 * self.memory[0] + (1 - rho1) * g
        r = self.memory[1] = rho2 * self.memory[1] + (1 - rho2) * g * g
        s_hat, r_hat = s / (1 - rho1**self.steps), r / (1 - rho2**self.steps)
        return theta - eta * s_hat / (np.sqrt(r_hat) + delta)

    def _decay(self, theta: Array) -> Array:
        decay = np.zeros(len(theta))
        for where, is_weight in self.segments:
            decay[where] = self.settings["weight_decay"] * theta[where] if is_weight else 0.0
        return decay

    def adamw(self, theta: Array, g: Array, eta: float) -> Array:
        return self.adam(theta, g, eta) - eta * self._decay(theta)

    def lamb(self, theta: Array, g: Array, eta: float) -> Array:
        direction = theta - self.adam(theta, g, 1.0) + self._decay(theta)
        new = theta.copy()
        for where, _ in self.segments:
            norms = np.linalg.norm(theta[where]), np.linalg.norm(direction[where])
            new[where] -= eta * (norms[0] / norms[1] if min(norms) > 0 else 1.0) * direction[where]
        return new


RULES: dict[str, Callable[[Optimizer, Array, Array, float], Array]] = {
    "sgd": Optimizer.sgd,
    "momentum": Optimizer.momentum,
    "nesterov": Optimizer.nesterov,
    "adagrad": Optimizer.adagrad,
    "rmsprop": Optimizer.rmsprop,
    "adam": Optimizer.adam,
    "adamw": Optimizer.adamw,
    "lamb": Optimizer.lamb,
}


def metrics(network: Any, task: str, theta: Array, x: Array, t: Array) -> dict[str, float]:
    """Return what an evaluation reports, by its definitions."""
    logits = forward(network, theta, x)[1][-1]
    found = {"n_samples": len(x), "loss": loss_sum(network, theta, x, t) / len(x)}
    if task == "regression":
        error = logits - t
        r2 = 1 - (error**2).sum(axis=0) / ((t - t.mean(axis=0)) ** 2).sum(axis=0)
        return found | {"rmse": math.sqrt((error**2).mean()), "mae": abs(error).mean(), "r2": r2.mean()}
    answer = logits[:, 0] > 0 if logits.shape[1] == 1 else logits.argmax(axis=1)
    return found | {"accuracy": float((answer == t[:, 0]).mean())}
