"""Start weights: random, scaled to the layer, the same for every rank.

Each layer draws from a stream of its own, so that no two layers of equal shape are equal.
Sources: Glorot and Bengio, AISTATS 2010, equation 16; He et al., ICCV 2015, equation 10.
"""

from __future__ import annotations

import math

import numpy as np

from ddp_mlp.catalog.activations import ACTIVATIONS
from ddp_mlp.core.layout import Floats
from ddp_mlp.core.network import Network
from ddp_mlp.core.sampling import stream_key


def _spread(scheme: str, n_in: int, n_out: int, scale: float) -> float:
    """Return the half-width (uniform) or the standard deviation (normal) of the weights."""
    if scheme in ("uniform", "normal"):
        return scale
    variance = 2 / n_in if scheme.startswith("he") else 2 / (n_in + n_out)
    return math.sqrt(3 * variance) if scheme.endswith("uniform") else math.sqrt(variance)


def initial_parameters(network: Network, scheme: str, seed: int, dtype: str, scale: float = 0.05) -> Floats:
    """Return the parameter vector (P,) before the first step; biases are zero.

    A weight that two layers share is drawn once, for the first of them.

    Parameters
    ----------
    scheme : str
        ``auto``, ``zeros``, ``he_normal``, ``he_uniform``, ``glorot_normal``,
        ``glorot_uniform``, ``normal`` or ``uniform``.
    scale : float
        Standard deviation of ``normal``, half-width of ``uniform``.
    """
    vector = np.zeros(network.layout.n_parameters, dtype)
    for layer, activation in enumerate(network.activations):
        chosen = ACTIVATIONS[activation].init if scheme == "auto" else scheme
        if chosen == "zeros" or network.layout.owner(layer) != layer:
            continue
        rng = np.random.Generator(np.random.Philox(key=int(stream_key("weights", seed, layer))))
        weight = network.layout.weight(layer)
        n_in, n_out = network.layout.sizes[layer : layer + 2]
        spread = _spread(chosen, n_in, n_out, scale)
        draw = (
            rng.uniform(-spread, spread, weight.shape)
            if chosen.endswith("uniform")
            else rng.normal(0, spread, weight.shape)
        )
        weight.view(vector)[...] = draw
    return vector
