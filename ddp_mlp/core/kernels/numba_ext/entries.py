"""Compiling the kernels of the catalog's entries, which are plain Python functions."""

from __future__ import annotations

from typing import Any

from numba.extending import overload, register_jitable

from ddp_mlp.catalog import arithmetic
from ddp_mlp.core.kernels.numba_ext.exponential import exponential_of
from ddp_mlp.core.kernels.numba_ext.intrinsics import jit

overload(arithmetic.exp)(exponential_of)


def of_entry(kernel: Any) -> Any:
    """Compile a kernel of an entry, and the helpers that it calls."""
    while arithmetic.HELPERS:
        register_jitable(nogil=True, error_model="numpy")(arithmetic.HELPERS.pop())
    return jit(kernel)
