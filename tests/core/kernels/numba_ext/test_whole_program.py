"""A kernel compiled as one program does what Numba makes of it, and leaves Numba as it was."""

from __future__ import annotations

import resource
from typing import Any

import numpy as np
import pytest
from numba import types
from numba.core import ir
from numba.core.codegen import JITCodeLibrary

from ddp_mlp.core.kernels.entry_points import EntryPoint
from ddp_mlp.core.kernels.numba_ext.doors import DOOR
from ddp_mlp.core.kernels.numba_ext.intrinsics import inlined, jit
from ddp_mlp.core.kernels.numba_ext.loading import load_objects
from ddp_mlp.core.kernels.numba_ext.whole_program import Shared, compile_program
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


@jit
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


@jit
def both(values, by, out):
    up, down = _twice(scaled(values, by))
    for i in range(len(values)):
        out[i] = up[i] * down[i]


ARRAY = types.float64[::1]
#: In a program of its own; another calls it.
SCALED = Shared(scaled, (ARRAY, types.float64), ARRAY, "scaled in the test of whole programs")
SPREAD = Shared(spread, (ARRAY, ARRAY), types.none, "spread")
BOTH = Shared(both, (ARRAY, types.float64, ARRAY), types.none, "both")


@pytest.fixture(scope="module")
def entries() -> tuple[EntryPoint, EntryPoint]:
    first, _ = compile_program("first", [SPREAD], [SCALED], [SCALED])
    second, outside = compile_program("second", [BOTH], [], [SCALED])
    engine = load_objects([first, second], outside)
    loaded = EntryPoint("spread"), EntryPoint("both")
    array, number = ("float64", 1), ("float64", 0)
    for entry, kinds in zip(loaded, [(array, array), (array, number, array)], strict=True):
        entry.load("float64", kinds, engine.get_function_address(entry.name + DOOR), engine)
    return loaded


def test_it_does_what_its_python_does(entries: tuple[EntryPoint, EntryPoint]) -> None:
    values, out = np.array([3.0, 1.0, 2.5]), np.zeros(3)
    entries[0](values, out)
    np.testing.assert_array_equal(out, (values + 1.0) * (values - 1.0))


def test_its_errors_are_errors(entries: tuple[EntryPoint, EntryPoint]) -> None:
    with pytest.raises(RuntimeError, match="the kernel spread has failed"):
        entries[0](np.array([1e7]), np.zeros(1))


def test_a_function_of_another_program_is_called(entries: tuple[EntryPoint, EntryPoint]) -> None:
    values, out = np.array([3.0, 1.0, 2.5]), np.zeros(3)
    entries[1](values, 2.0, out)
    np.testing.assert_array_equal(out, (2 * values + 2.0) * (2 * values - 2.0))
    with pytest.raises(RuntimeError, match="the kernel both has failed"):
        entries[1](values, -1.0, out)


def test_memory_that_kernels_take_is_aligned_and_given_back(entries: tuple[EntryPoint, EntryPoint]) -> None:
    """A million values twice a call: were they kept, five hundred calls would take 8 GB."""
    values, out = np.ones(10**6), np.zeros(10**6)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(500):
        entries[0](values[:1000], out[:1000])
    for _ in range(50):
        entries[0](values, out)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 10**5  # KiB


def test_what_the_c_library_lacks_is_said_before_llvm_ends_the_process() -> None:
    with pytest.raises(OSError, match="the C library has no no_such_function"):
        load_objects([], ["malloc", "no_such_function"])


def test_a_shared_function_is_compiled_by_its_own_program_only() -> None:
    with compilations() as found:
        _, outside = compile_program("third", [BOTH], [], [SCALED])
    assert "both" in found
    assert "scaled" not in found
    assert scaled.overloads == {}
    assert outside == ("free", "malloc")


def test_a_constant_is_compiled_for_as_any_value_of_its_type() -> None:
    @jit
    def three(values):
        return scaled(values, 2.0)[0] + _shifted(values, 1)[0] + _shifted(values, 2)[0]

    three(np.zeros(1))
    assert (ARRAY, types.int64) in _shifted.overloads
    assert not any(isinstance(kind, types.Literal) for kinds in _shifted.overloads for kind in kinds)


@pytest.mark.parametrize(
    "arguments",
    [
        (np.zeros(3, np.float32), np.zeros(3)),
        (np.zeros((3, 1)), np.zeros(3)),
        (np.zeros(3, ">f8"), np.zeros(3)),
        (np.zeros(6)[::2], np.zeros(3)),
        (np.frombuffer(bytes(24)), np.zeros(3)),
        (np.frombuffer(bytearray(25), np.float64, 3, 1), np.zeros(3)),
        (np.zeros(3),),
        (np.zeros(3), np.zeros(3), np.zeros(3)),
        (np.zeros(3), 1.0),
        ((np.zeros(3), np.zeros(3)), 1),
        (np.zeros(3), None),
        (np.zeros(3), "3"),
        (np.zeros(3), [0.0, 0.0]),
        (),
    ],
)  # fmt: skip
def test_what_it_was_not_compiled_for_is_refused(entries: tuple[EntryPoint, EntryPoint], arguments: Any) -> None:
    with pytest.raises(TypeError):
        entries[0](*arguments)


def test_numba_is_left_as_it_was(entries: tuple[EntryPoint, EntryPoint]) -> None:
    context = scaled.targetctx
    assert context.codegen()._library_class is JITCodeLibrary
    assert {"create_cpython_wrapper", "create_cfunc_wrapper", "get_executable"}.isdisjoint(vars(context))
    assert "__deepcopy__" not in vars(ir.Scope)


def test_numba_itself_can_call_what_was_compiled_as_a_part(entries: tuple[EntryPoint, EntryPoint]) -> None:
    assert outside(np.array([3.0, 1.0])) == 2.0
