"""Penalties on the weights, and the limit on the norm of the gradient.

Sources: "Deep Learning" (2016), section 7.1 (L1, L2) and algorithm of section 10.11.1 (clipping, equation 10.49).
"""

from __future__ import annotations

import math

import numpy as np

from ddp_mlp.catalog.arithmetic import like
from ddp_mlp.core.kernels.numba_ext.intrinsics import jit
from ddp_mlp.core.kernels.step.choices import L1, L2, LQ, Q
from ddp_mlp.core.kernels.vector_ops import tree_sum


@jit
def penalize(w, g, settings, scratch):
    """Add the gradient of the penalty at a block of weights to `g`; return its value there.

    The value is ``l1 sum |w| + l2/2 sum w^2 + lq sum |w|^q``, in float64; the gradient is
    ``l1 sign(w) + l2 w + lq q |w|^(q-1) sign(w)`` with ``sign(0) = 0``, a subgradient where
    there is no gradient. `scratch` (BLOCK,) is float64.
    """
    l1, l2 = settings[L1], settings[L2]
    for i in range(w.shape[0]):
        magnitude = abs(np.float64(w[i]))
        scratch[i] = l1 * magnitude + 0.5 * l2 * magnitude * magnitude
    slope, decay = like(w, l1), like(w, l2)
    for i in range(w.shape[0]):
        side = math.copysign(slope, w[i]) if w[i] != like(w, 0.0) else like(w, 0.0)
        g[i] += side + decay * w[i]
    if settings[LQ] > 0.0:
        _add_power(w, g, settings[LQ], settings[Q], scratch)
    return tree_sum(scratch, w.shape[0])


@jit
def _add_power(w, g, factor, q, scratch):
    """Add ``factor |w|^q`` to `scratch` and its derivative to `g`."""
    for i in range(w.shape[0]):
        magnitude = abs(np.float64(w[i]))
        if magnitude > 0.0:
            scratch[i] += factor * magnitude**q
            g[i] += like(w, math.copysign(factor * q * magnitude ** (q - 1.0), np.float64(w[i])))


@jit
def clip_factor(squares, limit):
    """Return ``min(1, limit / norm)`` for a gradient of the squared norm `squares`; 0 is no limit."""
    norm = math.sqrt(squares)
    return limit / norm if 0.0 < limit < norm else 1.0
