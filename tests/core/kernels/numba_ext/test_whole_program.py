"""A kernel compiled as one program does what Numba makes of it, and leaves Numba as it was."""

from __future__ import annotations

import numpy as np
import pytest
from numba import types
from numba.core import ir
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompileResult

from ddp_mlp.core.kernels.numba_ext.intrinsics import entry_point, inlined, jit
from ddp_mlp.core.kernels.numba_ext.whole_program import compile_whole


@jit
def _lowest(values):
    smallest = values[0]
    for value in values:
        smallest = min(smallest, value)
    return smallest


@jit
def _shifted(values, by):
    return values - by  # a new array, which is counted


@inlined
def _twice(values):
    return _shifted(values, -_lowest(values)), _shifted(values, _lowest(values))


@entry_point
def spread(values, out):
    up, down = _twice(values)
    for i in range(len(values)):
        if values[i] > 1e6:
            raise ValueError("too large")
        out[i] = up[i] * down[i]


@jit
def outside(values):
    return _lowest(values) + 1.0


SIGNATURE = (types.float64[::1], types.float64[::1])


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    reduced = compile_whole(spread.py_func, SIGNATURE)
    spread.add_overload(CompileResult._rebuild(spread.targetctx, *reduced))


def test_it_does_what_its_python_does() -> None:
    values, out = np.array([3.0, 1.0, 2.5]), np.zeros(3)
    spread(values, out)
    np.testing.assert_array_equal(out, (values + 1.0) * (values - 1.0))


def test_its_errors_are_those_of_its_python() -> None:
    with pytest.raises(ValueError, match="too large"):
        spread(np.array([1e7]), np.zeros(1))


def test_arrays_of_others_are_refused() -> None:
    with pytest.raises(TypeError):
        spread(np.zeros(3, np.float32), np.zeros(3))


def test_numba_is_left_as_it_was() -> None:
    context = spread.targetctx
    assert context.codegen()._library_class is JITCodeLibrary
    assert {"create_cpython_wrapper", "create_cfunc_wrapper", "get_executable"}.isdisjoint(vars(context))
    assert "__deepcopy__" not in vars(ir.Scope)


def test_numba_itself_can_call_what_was_compiled_as_a_part() -> None:
    assert outside(np.array([3.0, 1.0])) == 2.0
