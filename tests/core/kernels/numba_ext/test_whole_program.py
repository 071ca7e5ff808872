"""A kernel compiled as one program does what Numba makes of it, and leaves Numba as it was."""

from __future__ import annotations

import numpy as np
import pytest
from numba import types
from numba.core import ir
from numba.core.codegen import JITCodeLibrary

from ddp_mlp.core.kernels.numba_ext.intrinsics import entry_point, inlined, jit
from ddp_mlp.core.kernels.numba_ext.whole_program import Shared, compile_program, load_program
from tests.building import compilations


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


@jit
def scaled(values, by):
    if by < 0.0:
        raise ValueError("not a scale")
    return values * by


@entry_point
def both(values, by, out):
    up, down = _twice(scaled(values, by))
    for i in range(len(values)):
        out[i] = up[i] * down[i]


ARRAY = types.float64[::1]
SIGNATURE = (ARRAY, ARRAY)
#: In a program of its own; another calls it.
SCALED = Shared(scaled, (ARRAY, types.float64), ARRAY, "scaled in the test of whole programs")


def _load(kernel, code):
    ((name, overload),) = load_program(kernel.targetctx, code)
    assert name == kernel.__name__
    kernel.add_overload(overload)


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    _load(spread, compile_program("first", [(spread, SIGNATURE)], [SCALED], [SCALED]))
    _load(both, compile_program("second", [(both, (ARRAY, types.float64, ARRAY))], [], [SCALED]))


def test_it_does_what_its_python_does() -> None:
    values, out = np.array([3.0, 1.0, 2.5]), np.zeros(3)
    spread(values, out)
    np.testing.assert_array_equal(out, (values + 1.0) * (values - 1.0))


def test_its_errors_are_those_of_its_python() -> None:
    with pytest.raises(ValueError, match="too large"):
        spread(np.array([1e7]), np.zeros(1))


def test_a_function_of_another_program_is_called() -> None:
    values, out = np.array([3.0, 1.0, 2.5]), np.zeros(3)
    both(values, 2.0, out)
    np.testing.assert_array_equal(out, (2 * values + 2.0) * (2 * values - 2.0))
    with pytest.raises(ValueError, match="not a scale"):
        both(values, -1.0, out)


def test_a_shared_function_is_compiled_by_its_own_program_only() -> None:
    with compilations() as found:
        compile_program("third", [(both, (ARRAY, types.float64, ARRAY))], [], [SCALED])
    assert "both" in found
    assert "scaled" not in found
    assert scaled.overloads == {}


def test_a_constant_is_compiled_for_as_any_value_of_its_type() -> None:
    @jit
    def three(values):
        return scaled(values, 2.0)[0] + _shifted(values, 1)[0] + _shifted(values, 2)[0]

    three(np.zeros(1))
    assert (ARRAY, types.int64) in _shifted.overloads
    assert not any(isinstance(kind, types.Literal) for kinds in _shifted.overloads for kind in kinds)


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
