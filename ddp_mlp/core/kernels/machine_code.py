"""The kernels that Python calls, and the machine code of all of them as bytes.

Numba's own cache is not used: it looks code up by the place and bytecode of its source, so that a
start with ``python -OO``, or an array that lies in another way, is compiled for a minute in the
middle of a run, and written into a cache that was complete.
"""

from __future__ import annotations

from typing import Any

from numba.core import config, serialize
from numba.core.compiler import CompileResult
from numba.core.compiler_lock import global_compiler_lock
from numba.core.runtime import rtsys

from ddp_mlp.core.kernels.arrays import signature
from ddp_mlp.core.kernels.evaluation import evaluate_blocks, predict_blocks
from ddp_mlp.core.kernels.numba_ext.intrinsics import jit
from ddp_mlp.core.kernels.random import shuffle
from ddp_mlp.core.kernels.step.phases import work
from ddp_mlp.errors import UsageError

ENTRY_POINTS = (work, evaluate_blocks, predict_blocks, shuffle)


def check_jit() -> None:
    """Raise UsageError if the JIT of Numba is disabled: kernels run as machine code only."""
    if config.DISABLE_JIT:
        raise UsageError("NUMBA_DISABLE_JIT is set, and the kernels do not run without being compiled; unset it")


def are_ready(dtype: str) -> bool:
    """Tell whether this process holds the machine code of all kernels for training in `dtype`."""
    return all(signature(kernel.py_func, dtype) in kernel.overloads for kernel in ENTRY_POINTS)


def compile_kernels(dtype: str) -> bytes:
    """Compile all kernels for training in `dtype`, and return their machine code for `load_kernels`."""
    code = {}
    for kernel in ENTRY_POINTS:
        types, compiler = signature(kernel.py_func, dtype), jit(kernel.py_func)
        compiler.compile(types)
        compiled = compiler.overloads[types]
        code[kernel.__name__] = compiled._reduce()
        if types not in kernel.overloads:  # what does not depend on the dtype may be there
            kernel.add_overload(compiled)
    return bytes(serialize.dumps(code))


def load_kernels(dtype: str, code: bytes) -> None:
    """Take over the machine code of `compile_kernels`, from a source that may run any code here, as pickles can.

    What is there already stays. Threads take turns, with those that compile too: LLVM knows modules of one at a time.
    """
    with global_compiler_lock:
        _load(dtype, code)


def _load(dtype: str, code: bytes) -> None:
    rtsys.initialize(work.targetctx)  # all else of Numba is for compiling, and takes long to load
    parts: dict[str, Any] = serialize.loads(code)  # Numba's own form: sealed, and from a directory of this user
    for kernel in ENTRY_POINTS:
        if signature(kernel.py_func, dtype) not in kernel.overloads:
            kernel.add_overload(CompileResult._rebuild(kernel.targetctx, *parts[kernel.__name__]))
