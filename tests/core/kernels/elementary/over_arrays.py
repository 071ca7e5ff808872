"""Elementary functions over whole arrays, as loops of kernels compute them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from ddp_mlp.core.kernels import entries as entries  # which has those of `ddp_mlp.catalog.arithmetic` compiled


def over_all(function: Callable[[Any], Any]) -> Any:
    """Return the compiled loop that replaces each value of an array by that of a function."""

    def compute(values):
        for i in range(values.shape[0]):
            values[i] = function(values[i])

    return numba.njit(error_model="numpy")(compute)


def applied(compute: Any, values: list[float] | np.ndarray, dtype: type) -> np.ndarray:
    """Return what a loop of `over_all` makes of some values."""
    found = np.array(values, dtype)
    compute(found)
    return found
