"""All kernels and their parts, and compiling them by Numba."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from ddp_mlp.core.kernels.array_types import kinds, result, signature
from ddp_mlp.core.kernels.evaluation import evaluate_blocks, predict_blocks
from ddp_mlp.core.kernels.gemm.product import product
from ddp_mlp.core.kernels.machine_code import Program, joined
from ddp_mlp.core.kernels.network.activations import times_derivative
from ddp_mlp.core.kernels.network.gradient_sums import weight_gradient
from ddp_mlp.core.kernels.network.losses import loss_and_delta
from ddp_mlp.core.kernels.network.passes import forward, gather
from ddp_mlp.core.kernels.numba_ext.doors import DOOR
from ddp_mlp.core.kernels.numba_ext.intrinsics import jit
from ddp_mlp.core.kernels.numba_ext.whole_program import Shared, compile_program
from ddp_mlp.core.kernels.random import shuffle
from ddp_mlp.core.kernels.step.phases import work


class Unit(NamedTuple):
    """Kernels that are compiled to one program."""

    kernels: tuple[Callable[..., Any], ...]  # that Python calls, see `entry_points`
    shared: tuple[Any, ...]  # that other units call by name


#: A unit calls those before it.
UNITS = {
    "layers": Unit(
        (evaluate_blocks, predict_blocks),
        (product, gather, forward, loss_and_delta, times_derivative, weight_gradient),
    ),
    "order": Unit((shuffle,), ()),
    "step": Unit((work,), ()),
}


def compile_kernels(dtype: str, names: Collection[str] = tuple(UNITS)) -> bytes:
    """Compile all kernels for training in `dtype`, or the units `names`; code of all, joined in their order, is whole.

    Returns
    -------
    bytes
        Machine code for `load_kernels`.
    """
    shared = {name: [_shared(kernel, dtype) for kernel in unit.shared] for name, unit in UNITS.items()}
    everything = [function for functions in shared.values() for function in functions]
    return b"".join(_compiled(name, dtype, shared[name], everything) for name in UNITS if name in names)


def _compiled(name: str, dtype: str, own: list[Shared], shared: list[Shared]) -> bytes:
    kernels = UNITS[name].kernels
    entries = [Shared(jit(kernel), signature(kernel, dtype), None, _symbol(kernel, dtype)) for kernel in kernels]
    code, outside = compile_program(f"{name}.{dtype}", entries, own, shared)
    taken = {kernel.__name__: (_symbol(kernel, dtype) + DOOR, kinds(kernel, dtype)) for kernel in kernels}
    return joined(Program(taken, outside, code))


def _shared(kernel: Any, dtype: str) -> Shared:
    function = kernel.py_func
    return Shared(kernel, signature(function, dtype), result(function), _symbol(function, dtype))


def _symbol(function: Callable[..., Any], dtype: str) -> str:
    return f"{function.__module__}.{function.__qualname__}.{dtype}"
