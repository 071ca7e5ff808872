"""Machine code of the kernels as bytes, and loading it, which takes LLVM alone.

Numba's own cache is not used: it looks code up by the place and bytecode of its source, so that a
start with ``python -OO``, or an array that lies in another way, is compiled for a minute in the
middle of a run, and written into a cache that was complete. And it needs Numba, to which `compiling` is the door.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

from ddp_mlp.core.kernels.entry_points import ENTRY_POINTS, Kind
from ddp_mlp.core.kernels.numba_ext.loading import load_objects
from ddp_mlp.errors import UsageError

#: Units of kernels that are compiled one after the other where two processes can, so that both take about as long.
TOGETHER = (("layers", "order"), ("step",))
#: How lines begin that a process which compiles for another prints for it, whatever else is printed.
PART, CODE = b"ddp-mlp function", b"ddp-mlp code"

#: Bytes of the length of a part of a unit.
_LENGTH = 8
#: Threads load one after the other.
_LOADING = threading.Lock()


class Program(NamedTuple):
    """The machine code of a unit of kernels."""

    kernels: dict[str, tuple[str, tuple[Kind, ...]]]  # symbol of each that Python calls, and what it takes
    outside: tuple[str, ...]  # symbols of the C library that it uses
    code: bytes  # an object file


def check_jit() -> None:
    """Raise UsageError if the JIT of Numba is disabled: kernels run as machine code only."""
    if os.environ.get("NUMBA_DISABLE_JIT", "").strip() not in ("", "0"):
        raise UsageError("NUMBA_DISABLE_JIT is set, and the kernels do not run without being compiled; unset it")


def are_ready(dtype: str) -> bool:
    """Tell whether this process holds the machine code of all kernels for training in `dtype`."""
    return all(entry.is_ready(dtype) for entry in ENTRY_POINTS.values())


def joined(program: Program) -> bytes:
    """Return a program as bytes; those of several, one after the other, are code for `load_kernels`."""
    head = json.dumps([program.kernels, program.outside]).encode()
    return b"".join(len(part).to_bytes(_LENGTH, "little") + part for part in (head, program.code))


def programs(code: bytes) -> list[Program]:
    """Return the programs that were joined."""
    parts = _parts(code)
    return [_program(head, next(parts)) for head in parts]


def _parts(code: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(code):
        start = at + _LENGTH
        at = start + int.from_bytes(code[at:start], "little")
        yield code[start:at]


def _program(head: bytes, code: bytes) -> Program:
    kernels: dict[str, Any]
    kernels, outside = json.loads(head)
    taken = {name: (symbol, tuple((kind, ndim) for kind, ndim in kinds)) for name, (symbol, kinds) in kernels.items()}
    return Program(taken, tuple(outside), code)


def load_kernels(dtype: str, code: bytes) -> None:
    """Take over machine code, from a source that may run any code here, as machine code can.

    What is there already stays.

    Raises
    ------
    OSError
        If the C library lacks a function that the code calls.
    """
    with _LOADING:
        if not are_ready(dtype):
            _load(dtype, programs(code))


def _load(dtype: str, units: list[Program]) -> None:
    engine = load_objects([unit.code for unit in units], [symbol for unit in units for symbol in unit.outside])
    for unit in units:
        for name, (symbol, kinds) in unit.kernels.items():
            ENTRY_POINTS[name].load(dtype, kinds, engine.get_function_address(symbol), engine)
