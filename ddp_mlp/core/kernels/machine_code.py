"""The kernels that Python calls, and the machine code of all of them as bytes.

Numba's own cache is not used: it looks code up by the place and bytecode of its source, so that a
start with ``python -OO``, or an array that lies in another way, is compiled for a minute in the
middle of a run, and written into a cache that was complete.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from numba.core import config, serialize
from numba.core.compiler_lock import global_compiler_lock
from numba.core.runtime import rtsys

from ddp_mlp.core.kernels.arrays import result, signature
from ddp_mlp.core.kernels.evaluation import evaluate_blocks, predict_blocks
from ddp_mlp.core.kernels.gemm.product import product
from ddp_mlp.core.kernels.network.activations import times_derivative
from ddp_mlp.core.kernels.network.gradient_sums import weight_gradient
from ddp_mlp.core.kernels.network.losses import loss_and_delta
from ddp_mlp.core.kernels.network.passes import forward, gather
from ddp_mlp.core.kernels.numba_ext.whole_program import Program, Shared, compile_program, load_program
from ddp_mlp.core.kernels.random import shuffle
from ddp_mlp.core.kernels.step.phases import work
from ddp_mlp.errors import UsageError


class Unit(NamedTuple):
    """Kernels that are compiled to one program."""

    kernels: tuple[Any, ...]  # that Python calls
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
#: Which of them are compiled one after the other where two processes can, so that both take about as long.
TOGETHER = (("layers", "order"), ("step",))
ENTRY_POINTS = tuple(kernel for unit in UNITS.values() for kernel in unit.kernels)

#: Bytes of the length of each unit's code.
_LENGTH = 8


def check_jit() -> None:
    """Raise UsageError if the JIT of Numba is disabled: kernels run as machine code only."""
    if config.DISABLE_JIT:
        raise UsageError("NUMBA_DISABLE_JIT is set, and the kernels do not run without being compiled; unset it")


def are_ready(dtype: str) -> bool:
    """Tell whether this process holds the machine code of all kernels for training in `dtype`."""
    return all(signature(kernel.py_func, dtype) in kernel.overloads for kernel in ENTRY_POINTS)


def compile_kernels(dtype: str, names: Collection[str] = tuple(UNITS)) -> bytes:
    """Compile all kernels for training in `dtype`, or the units `names`; code of all, joined in their order, is whole.

    Returns
    -------
    bytes
        Machine code for `load_kernels`.
    """
    shared = {name: [_shared(kernel, dtype) for kernel in unit.shared] for name, unit in UNITS.items()}
    everything = [function for functions in shared.values() for function in functions]
    code = b""
    for name in (name for name in UNITS if name in names):
        kernels = [(kernel, signature(kernel.py_func, dtype)) for kernel in UNITS[name].kernels]
        program = compile_program(f"{name}.{dtype}", kernels, shared[name], everything)
        part = bytes(serialize.dumps(tuple(program)))
        code += len(part).to_bytes(_LENGTH, "little") + part
    return code


def _shared(kernel: Any, dtype: str) -> Shared:
    function = kernel.py_func
    symbol = f"{function.__module__}.{function.__qualname__}.{dtype}"
    return Shared(kernel, signature(function, dtype), result(function), symbol)


def _programs(code: bytes) -> Iterator[Program]:
    """Yield the programs, in the order of the units."""
    at = 0
    while at < len(code):
        start = at + _LENGTH
        at = start + int.from_bytes(code[at:start], "little")
        yield Program(*serialize.loads(code[start:at]))  # Numba's own form: sealed, and from a directory of this user


def load_kernels(dtype: str, code: bytes) -> None:
    """Take over the machine code of `compile_kernels`, from a source that may run any code here, as pickles can.

    What is there already stays. Threads take turns, with those that compile too: LLVM knows modules of one at a time.
    """
    with global_compiler_lock:
        if not are_ready(dtype):
            _load(code)


def _load(code: bytes) -> None:
    rtsys.initialize(work.targetctx)  # all else of Numba is for compiling, and takes long to load
    kernels = {kernel.__name__: kernel for kernel in ENTRY_POINTS}
    for program in _programs(code):
        for name, compiled in load_program(work.targetctx, program):
            if compiled.signature.args not in kernels[name].overloads:
                kernels[name].add_overload(compiled)
