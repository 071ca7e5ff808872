"""The kernels that Python calls, and the machine code of all of them as bytes.

Numba's own cache is not used: it looks code up by the place and bytecode of its source, so that a
start with ``python -OO``, or an array that lies in another way, is compiled for a minute in the
middle of a run, and written into a cache that was complete.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from numba.core import config, serialize
from numba.core.compiler import CompileResult
from numba.core.compiler_lock import global_compiler_lock
from numba.core.runtime import rtsys

from ddp_mlp.core.kernels.arrays import signature
from ddp_mlp.core.kernels.evaluation import evaluate_blocks, predict_blocks
from ddp_mlp.core.kernels.numba_ext.whole_program import compile_whole
from ddp_mlp.core.kernels.random import shuffle
from ddp_mlp.core.kernels.step.phases import work
from ddp_mlp.errors import UsageError

ENTRY_POINTS = (work, evaluate_blocks, predict_blocks, shuffle)

#: Which of them are compiled together where two processes can, so that both take about as long.
UNITS = (("work",), ("evaluate_blocks", "predict_blocks", "shuffle"))

#: Bytes of the length of each kernel's code.
_LENGTH = 8


def check_jit() -> None:
    """Raise UsageError if the JIT of Numba is disabled: kernels run as machine code only."""
    if config.DISABLE_JIT:
        raise UsageError("NUMBA_DISABLE_JIT is set, and the kernels do not run without being compiled; unset it")


def are_ready(dtype: str) -> bool:
    """Tell whether this process holds the machine code of all kernels for training in `dtype`."""
    return all(signature(kernel.py_func, dtype) in kernel.overloads for kernel in ENTRY_POINTS)


def compile_kernels(dtype: str, names: Collection[str] = ()) -> bytes:
    """Compile all kernels for training in `dtype`, or those of some `names`; code of several calls can be joined.

    Returns
    -------
    bytes
        Machine code for `load_kernels`.
    """
    code = b""
    for kernel in ENTRY_POINTS:
        if not names or kernel.__name__ in names:
            compiled = compile_whole(kernel.py_func, signature(kernel.py_func, dtype))
            part = bytes(serialize.dumps((kernel.__name__, compiled)))
            code += len(part).to_bytes(_LENGTH, "little") + part
    return code


def _parts(code: bytes) -> Iterator[tuple[str, Any]]:
    """Yield the name of each kernel and what it was compiled to."""
    at = 0
    while at < len(code):
        start = at + _LENGTH
        at = start + int.from_bytes(code[at:start], "little")
        yield serialize.loads(code[start:at])  # Numba's own form: sealed, and from a directory of this user


def load_kernels(dtype: str, code: bytes) -> None:
    """Take over the machine code of `compile_kernels`, from a source that may run any code here, as pickles can.

    What is there already stays. Threads take turns, with those that compile too: LLVM knows modules of one at a time.
    """
    with global_compiler_lock:
        _load(dtype, code)


def _load(dtype: str, code: bytes) -> None:
    rtsys.initialize(work.targetctx)  # all else of Numba is for compiling, and takes long to load
    kernels = {kernel.__name__: kernel for kernel in ENTRY_POINTS}
    for name, compiled in _parts(code):
        kernel = kernels[name]
        if signature(kernel.py_func, dtype) not in kernel.overloads:
            kernel.add_overload(CompileResult._rebuild(kernel.targetctx, *compiled))
