"""Compiling the kernels of the catalog's entries, which are plain Python functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba.extending import overload, register_jitable

from ddp_mlp.catalog import arithmetic
from ddp_mlp.core.kernels.elementary.circular import atan_of, cos_of
from ddp_mlp.core.kernels.elementary.exponential import exponential_of
from ddp_mlp.core.kernels.elementary.hyperbolic import expm1_of, tanh_of
from ddp_mlp.core.kernels.elementary.logarithm import log1p_of
from ddp_mlp.core.kernels.numba_ext.intrinsics import jit

overload(arithmetic.atan, jit_options={"forceinline": True})(atan_of)
overload(arithmetic.cos, jit_options={"forceinline": True})(cos_of)
overload(arithmetic.exp)(exponential_of)
overload(arithmetic.expm1, jit_options={"forceinline": True})(expm1_of)
overload(arithmetic.log1p, jit_options={"forceinline": True})(log1p_of)
overload(arithmetic.room_like)(lambda values, size: lambda values, size: np.empty(size, values.dtype))
overload(arithmetic.tanh, jit_options={"forceinline": True})(tanh_of)


def of_entry(kernel: Any, compile_: Callable[[Any], Any] = jit) -> Any:
    """Compile a kernel of an entry, and the helpers that it calls; one of numbers as `in_loops` does."""
    while arithmetic.HELPERS:
        helper, is_in_loops = arithmetic.HELPERS.pop()
        register_jitable(nogil=True, error_model="numpy", forceinline=is_in_loops)(helper)
    return compile_(kernel)
