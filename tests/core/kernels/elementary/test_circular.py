"""Arctangent and cosine of the kernels: in float32 the bits of glibc 2.36 wherever they run."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest

from ddp_mlp.catalog import arithmetic
from tests.core.kernels.elementary.over_arrays import applied, over_all

#: Of the results for `sample`, as glibc 2.36 has them on a CPU with fused multiply-adds. Once, all 2^32 values were
#: compared, of the cosine those below 120.
BITS = {"atan": "746cb73f6d9d18df", "cos": "0a0e00885cd8b6d2"}


COMPUTE = {name: over_all(getattr(arithmetic, name)) for name in BITS}


def results(name: str, values: list[float] | np.ndarray, dtype: type = np.float32) -> np.ndarray:
    return applied(COMPUTE[name], values, dtype)


def sample(name: str) -> np.ndarray:
    """Return numbers of all magnitudes, without NaN, and many around the bounds of the branches."""
    any_bits = (np.arange(2_000_000, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)
    bounds = [7 / 16, 11 / 16, 19 / 16, 39 / 16, 2.0**-29, 2.0**-12, 0.75, 2.0**25, *(np.arange(1, 152) * math.pi / 4)]
    around = [int(np.float32(bound).view(np.uint32)) + np.arange(-2000, 2000) for bound in bounds]
    found = np.concatenate([any_bits, *around]).astype(np.uint32).view(np.float32)
    found = np.concatenate([found, -found, np.linspace(-3, 3, 1_000_001, dtype=np.float32)])
    return found[np.abs(found) < (120 if name == "cos" else math.inf)]


@pytest.mark.parametrize("name", BITS)
def test_bits_are_those_of_glibc(name: str) -> None:
    assert hashlib.sha256(results(name, sample(name)).tobytes()).hexdigest()[:16] == BITS[name]


@pytest.mark.parametrize("name", BITS)
def test_error_is_below_a_unit_in_the_last_place(name: str) -> None:
    x = sample(name)
    x = x[np.abs(x) > 1e-30]
    found, expected = results(name, x), (np.arctan if name == "atan" else np.cos)(x.astype(np.float64))
    assert np.max(np.abs(found - expected) / np.spacing(np.abs(found))) < 1


def test_values_that_are_exact() -> None:
    smallest = np.finfo(np.float32).smallest_subnormal
    found = results("atan", [0.0, -0.0, smallest, -smallest, math.inf, -math.inf])
    quarter = np.float32(math.pi / 2)
    np.testing.assert_array_equal(found, [0.0, -0.0, smallest, -smallest, quarter, -quarter])
    np.testing.assert_array_equal(np.signbit(found), [False, True] * 3)
    np.testing.assert_array_equal(results("cos", [0.0, -0.0, smallest]), [1.0, 1.0, 1.0])
    assert np.isnan(results("atan", [math.nan, -math.nan])).all()


def test_the_cosine_of_more_than_arctangents_give_is_not_a_number() -> None:
    assert np.isfinite(results("cos", [119.99, -119.99])).all()
    assert np.isnan(results("cos", [120.0, -120.0, 1e30, math.inf, -math.inf, math.nan])).all()


@pytest.mark.parametrize("name", BITS)
def test_in_float64_they_are_those_of_the_library(name: str) -> None:
    x = np.linspace(-3, 3, 1001)
    np.testing.assert_array_equal(results(name, x, np.float64), [getattr(math, name)(a) for a in x])


@pytest.mark.parametrize("name", BITS)
def test_loops_use_vectors(name: str) -> None:
    """A vector of results does not depend on how many are computed at once, and its loop has no call."""
    x = sample(name)[:1000]
    singles = np.concatenate([results(name, x[i : i + 1]) for i in range(x.size)])
    np.testing.assert_array_equal(results(name, x), singles)
    (code,) = (text for types, text in COMPUTE[name].inspect_llvm().items() if str(types[0].dtype) == "float32")
    assert " x float>" in code


@pytest.mark.parametrize("name", BITS)
def test_result_has_the_type_of_the_argument(name: str) -> None:
    for dtype in (np.float32, np.float64):
        assert type(getattr(arithmetic, name)(dtype(0.5))) is dtype
