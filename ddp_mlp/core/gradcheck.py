"""Gradients against central differences of the loss, parameter by parameter.

``(f(theta + h) - f(theta - h)) / 2h`` misses the derivative by ``h^2/6 |f'''|`` and by the
rounding of f, ``eps |f| / h``: at h = 1e-6 in float64 about 1e-10 of a loss of order 1.
Source: "Deep Learning" (2016), section 11.5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ddp_mlp.core.layout import Floats, Layout, Segment
from ddp_mlp.core.sampling import permuted

STEP = 1e-6
#: Largest relative error of a gradient that is right.
TOLERANCE = 1e-5
#: Slopes below this part of the loss drown in its rounding: errors are relative to it there.
_FLOOR = 1e-4
#: So are those far below the largest slope of the network.
_SMALL = 1e-3


@dataclass(frozen=True)
class GradientCheck:
    """The check of a weight or a bias.

    Attributes
    ----------
    name : str
        Of the segment.
    n_checked, n_kinks : int
        Parameters that were compared, and those beside a kink, where there is no derivative.
    error : float
        Largest relative error.
    """

    name: str
    n_checked: int
    n_kinks: int
    error: float

    @property
    def passed(self) -> bool:
        """Whether something was compared, and all of it was right."""
        return self.n_checked > 0 and self.error <= TOLERANCE


def check_gradient(
    loss_at: Callable[[Floats], float], parameters: Floats, gradient: Floats, layout: Layout, seed: int, most: int = 200
) -> list[GradientCheck]:
    """Compare a gradient with slopes of the loss, segment by segment.

    Parameters
    ----------
    loss_at : callable
        The loss as a function of the parameters.
    parameters, gradient : ndarray of float64, shape (P,)
        Where the loss is taken, and what is to be checked.
    seed : int
        Chooses the parameters of a segment that has more than `most`.
    """
    loss = loss_at(parameters)
    scale = max(_FLOOR * max(1.0, abs(loss)), _SMALL * float(abs(gradient).max()))
    checks = []
    for segment in layout.segments():
        n_kinks, errors = 0, []
        for i in _chosen(segment, seed, most):
            error = _error(loss_at, loss, parameters, gradient, i, scale)
            if error is None:
                n_kinks += 1
            else:
                errors.append(error)
        checks.append(GradientCheck(segment.name, len(errors), n_kinks, max(errors, default=0.0)))
    return checks


def _chosen(segment: Segment, seed: int, most: int) -> list[int]:
    ids = np.arange(segment.start, segment.stop)
    return sorted(permuted(ids, "gradient check", seed, segment.name)[:most].tolist())


def _error(
    loss_at: Callable[[Floats], float], loss: float, parameters: Floats, gradient: Floats, i: int, scale: float
) -> float | None:
    """Return the relative error of a derivative, or None at a kink.

    At a kink the slopes to both sides differ, and what the gradient holds is one of those
    between them; where they agree, it is simply wrong.
    """
    moved = parameters.copy()
    moved[i] = parameters[i] + STEP
    above = loss_at(moved)
    moved[i] = parameters[i] - STEP
    below = loss_at(moved)
    slope, found = (above - below) / (2 * STEP), float(gradient[i])
    scale = max(scale, abs(slope), abs(found))
    error = abs(found - slope) / scale
    left, right = sorted(((loss - below) / STEP, (above - loss) / STEP))
    slack = TOLERANCE * scale
    if error > TOLERANCE and right - left > slack and left - slack <= found <= right + slack:
        return None
    return error
