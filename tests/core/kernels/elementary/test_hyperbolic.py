"""expm1 and tanh of the kernels: the bits of glibc 2.36 wherever they run, good to 2.5 units in the last place."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest

from ddp_mlp.catalog import arithmetic
from tests.core.kernels.elementary.over_arrays import applied, over_all

DTYPES = [np.float32, np.float64]
FUNCTIONS = ["expm1", "tanh"]
#: Of the results for `sample`, as glibc 2.36 has them on a CPU with fused multiply-adds. Once, all 2^32 values of
#: float32 and a billion of float64 were compared.
BITS = {
    ("expm1", np.float32): "701fc7350627fbf5",
    ("expm1", np.float64): "62b70b2bd495e763",
    ("tanh", np.float32): "29c93a2d16ff104c",
    ("tanh", np.float64): "bb2fd4128052b350",
}


COMPUTE = {name: over_all(getattr(arithmetic, name)) for name in FUNCTIONS}


def results(name: str, values: list[float] | np.ndarray, dtype: type) -> np.ndarray:
    return applied(COMPUTE[name], values, dtype)


def sample(dtype: type) -> np.ndarray:
    """Return numbers of all magnitudes, without NaN, and many around the bounds of the branches."""
    word = np.uint32 if dtype == np.float32 else np.uint64
    # Products with an odd number visit all bit patterns, evenly.
    any_bits = (np.arange(200_000, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(
        64 - 8 * word().itemsize
    )
    values = [any_bits.astype(word).view(dtype)]
    bounds = [
        0.25 * math.log(2),
        0.5 * math.log(2),
        0.75 * math.log(2),
        1.5 * math.log(2),
        1.0,
        22.0,
        2.0**-25,
        2.0**-54,
    ]
    for bound in [*bounds, *((n + 0.5) * math.log(2) for n in (1, 2, 19, 20, 22, 23, 56, 57, 127))]:
        around = int(np.array(bound, dtype).view(word)) + np.arange(-200, 200)
        values.append(around.astype(word).view(dtype))
    spread = np.linspace(0.0, 25.0, 100_001, dtype=dtype)
    found = np.concatenate([*values, *(-part for part in values[1:]), spread, -spread])
    return found[~np.isnan(found)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_bits_are_those_of_glibc(name: str, dtype: type) -> None:
    found = results(name, sample(dtype), dtype)
    assert hashlib.sha256(found.tobytes()).hexdigest()[:16] == BITS[name, dtype]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_error_is_below_two_units_and_a_half_in_the_last_place(name: str) -> None:
    x = sample(np.float32)
    x = x[np.abs(x) < 88]
    found, expected = results(name, x, np.float32), getattr(np, name)(x.astype(np.float64))
    assert np.max(np.abs(found - expected) / np.spacing(np.abs(found))) < 2.5


@pytest.mark.parametrize("dtype", DTYPES)
def test_values_that_are_exact(dtype: type) -> None:
    far = [0.0, -0.0, math.inf, -math.inf, 1e4, -1e4]
    for name, expected in (("tanh", [0.0, -0.0, 1, -1, 1, -1]), ("expm1", [0.0, -0.0, math.inf, -1, math.inf, -1])):
        found = results(name, far, dtype)
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))
        assert np.isnan(results(name, [math.nan, -math.nan], dtype)).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_tiny_values_stay(name: str, dtype: type) -> None:
    smallest = np.finfo(dtype).smallest_subnormal
    tiny = np.array([1, 2, 3, 1000], dtype) * smallest
    np.testing.assert_array_equal(results(name, tiny, dtype), tiny)
    np.testing.assert_array_equal(results(name, -tiny, dtype), -tiny)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_loops_use_vectors(name: str, dtype: type) -> None:
    """A vector of results does not depend on how many are computed at once, and its loop has no call."""
    x = sample(dtype)[:1000]
    whole = results(name, x, dtype)
    singles = np.concatenate([results(name, x[i : i + 1], dtype) for i in range(x.size)])
    np.testing.assert_array_equal(whole, singles)
    (code,) = (
        text for types, text in COMPUTE[name].inspect_llvm().items() if str(types[0].dtype) == np.dtype(dtype).name
    )
    assert " x float>" in code if dtype == np.float32 else " x double>" in code


@pytest.mark.parametrize("name", FUNCTIONS)
def test_result_has_the_type_of_the_argument(name: str) -> None:
    for dtype in DTYPES:
        assert type(getattr(arithmetic, name)(dtype(0.5))) is dtype
