"""Arrays between pages that nobody may touch: a stray read or write is a segmentation fault at once.

NumPy lets a program bring its own allocator (NEP 49), and the arrays that kernels make for
themselves come from one function of Numba's runtime, whose symbol can be another. Both end here.
An array ends at the last byte before a guarded page, or begins at the first behind one: what lies
beyond its other end, up to a page, is found by a second run on the other side. Memory that is not
asked to be zero is filled with bits that make NaN, so what is read before it is written shows too.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

import numpy as np

PAGE = 4096
#: Which end of an array touches a guarded page.
END, BEGINNING = range(2)
#: Arguments of mmap and mprotect on Linux.
_NONE, _READ_WRITE, _PRIVATE_ANONYMOUS = 0, 3, 0x22
#: Places in NumPy's table of C functions, which never change.
_SET_HANDLER = 304

_side = ctypes.c_int64(END)


class _Natives(NamedTuple):
    """Addresses of machine code, and what keeps it alive."""

    malloc: int
    calloc: int
    realloc: int
    free: int
    kernel_array: int
    code: tuple[Any, ...]


@cache
def _natives() -> _Natives:
    """Compile the allocator: it runs without the interpreter, since kernels hold no lock of it."""
    from llvmlite import ir
    from numba import cfunc, njit, types
    from numba.extending import intrinsic

    word, flag = types.int64, types.int32
    mmap = types.ExternalFunction("mmap", word(word, word, flag, flag, flag, word))
    mprotect = types.ExternalFunction("mprotect", flag(word, word, flag))
    munmap = types.ExternalFunction("munmap", flag(word, word))
    memset = types.ExternalFunction("memset", word(word, flag, word))
    new_meminfo = types.ExternalFunction("NRT_MemInfo_alloc_dtor", word(word, word))
    side = ctypes.addressof(_side)

    @intrinsic
    def load(typing_context, address):
        def codegen(context, builder, signature, arguments):
            return builder.load(builder.inttoptr(arguments[0], ir.IntType(64).as_pointer()))

        return word(word), codegen

    @intrinsic
    def store(typing_context, address, value):
        def codegen(context, builder, signature, arguments):
            builder.store(arguments[1], builder.inttoptr(arguments[0], ir.IntType(64).as_pointer()))
            return context.get_dummy_value()

        return types.void(word, word), codegen

    @njit
    def room_of(size):
        return max(1, (size + PAGE - 1) // PAGE) * PAGE

    @njit
    def take(size):
        """Return the first of the pages for `size` bytes; the one before them and the one behind them are guarded."""
        room = room_of(size)
        first = mmap(0, room + 2 * PAGE, _NONE, _PRIVATE_ANONYMOUS, -1, 0) + PAGE
        mprotect(first, room, _READ_WRITE)
        return first

    @njit
    def begin_of(first, size):
        return first if load(side) == BEGINNING else first + room_of(size) - size

    @njit
    def give_back(first, size):
        munmap(first - PAGE, room_of(size) + 2 * PAGE)

    @cfunc(word(word, word))
    def malloc(_, size):
        data = begin_of(take(size), size)
        memset(data, 255, size)
        return data

    @cfunc(word(word, word, word))
    def calloc(_, count, size):
        return begin_of(take(count * size), count * size)

    @cfunc(word(word, word, word))
    def realloc(_, old, size):
        return 0  # nobody says how many bytes there were, and nobody here asks

    @cfunc(types.void(word, word, word))
    def free(_, data, size):
        if data != 0:
            give_back(data // PAGE * PAGE, size)

    @cfunc(types.void(word, word, word))
    def destroy(data, size, first):
        give_back(first, size)

    destructor = destroy.address

    @cfunc(word(word, types.uint32))
    def kernel_array(size, alignment):
        first = take(size)
        data = begin_of(first, size)
        memset(data, 255, size)
        info = new_meminfo(0, 0)  # the words of a MemInfo: count, destructor, what it gets, data, size
        store(info + 8, destructor)
        store(info + 16, first)
        store(info + 24, data)
        store(info + 32, size)
        return info

    code = (malloc, calloc, realloc, free, kernel_array, destroy)
    return _Natives(*(function.address for function in code[:5]), code)


class _Allocator(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_void_p) for name in ("context", "malloc", "calloc", "realloc", "free"))


class _Handler(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char * 127), ("version", ctypes.c_uint8), ("allocator", _Allocator))


@cache
def _handler() -> tuple[Any, _Handler]:
    """Return NumPy's name for the allocator, a capsule, and what it points to."""
    natives = _natives()
    handler = _Handler(b"guarded", 1, _Allocator(None, natives.malloc, natives.calloc, natives.realloc, natives.free))
    new = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
    return new(ctypes.addressof(handler), b"mem_handler", None), handler


def _set_handler(capsule: Any) -> Any:
    """Let NumPy allocate by a handler in this thread; return that of before."""
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    table = pointer(np._core._multiarray_umath._ARRAY_API, None)
    function = ctypes.cast(table, ctypes.POINTER(ctypes.c_void_p))[_SET_HANDLER]
    return ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)(function)(capsule)


@contextmanager
def guarded_arrays(side: int = END) -> Iterator[None]:
    """Let every array that this thread makes lie at a guarded page."""
    _side.value = side
    before = _set_handler(_handler()[0])
    try:
        yield
    finally:
        _set_handler(before)


def guard_kernels() -> None:
    """Let the arrays that kernels make lie at guarded pages; call it before any kernel is loaded or compiled."""
    from llvmlite import binding

    binding.add_symbol("NRT_MemInfo_alloc_aligned", _natives().kernel_array)


def take(n_bytes: int, *, zeroed: bool = True) -> np.ndarray:
    """Return bytes of which the last, or the first, lies at a guarded page; within `guarded_arrays`."""
    return (np.zeros if zeroed else np.empty)(n_bytes, np.uint8)


def guarded(array: np.ndarray) -> np.ndarray:
    """Return a copy at a guarded page; within `guarded_arrays`."""
    copy = np.empty(array.shape, array.dtype)
    copy[...] = array
    return copy
