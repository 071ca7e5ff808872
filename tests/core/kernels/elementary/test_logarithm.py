"""log1p of the kernels: the bits of glibc 2.36 wherever they run, good to 1.5 units in the last place."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest

from ddp_mlp.catalog.arithmetic import log1p
from tests.core.kernels.elementary.over_arrays import applied, over_all

DTYPES = [np.float32, np.float64]
#: Of the results for `sample`, as glibc 2.36 has them on a CPU with fused multiply-adds. Once, all 2^32 values of
#: float32 and 800 million of float64 were compared.
BITS = {np.float32: "8ece68b8abe54782", np.float64: "921a5fa341288ab3"}


COMPUTE = over_all(log1p)


def results(values: list[float] | np.ndarray, dtype: type) -> np.ndarray:
    return applied(COMPUTE, values, dtype)


def sample(dtype: type) -> np.ndarray:
    """Return numbers of all magnitudes above -1, and many around the bounds of the branches."""
    word = np.uint32 if dtype == np.float32 else np.uint64
    # Products with an odd number visit all bit patterns, evenly.
    any_bits = (np.arange(2_000_000, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(
        64 - 8 * word().itemsize
    )
    bounds = [-0.29289, 0.41422, 1.0, 3.0, 2.0**-20, 2.0**-29, 2.0**-54, 2.0**24, 2.0**53, 2.0**54, -0.5, -0.75, -1.0]
    bounds += [-(2.0**-29), -(2.0**-54), *(2.0**n * math.sqrt(2) - 1 for n in range(-20, 60))]
    around = np.array(bounds, dtype).view(word)[:, None] + np.arange(-2000, 2000).astype(word)
    # 1 + x a few units off a power of two, where the logarithm of the rest is nearly 0
    near_powers = [2.0**n * (1 + np.arange(-30, 31) * np.finfo(dtype).eps / 2) - 1 for n in range(-20, 60)]
    spread = np.linspace(-1.0, 1.0, 1_000_001)
    found = np.concatenate(
        [any_bits.astype(word).view(dtype), around.ravel().view(dtype),
         *(part.astype(dtype) for part in near_powers), spread.astype(dtype)]
    )  # fmt: skip
    return found[found >= -1]


@pytest.mark.parametrize("dtype", DTYPES)
def test_bits_are_those_of_glibc(dtype: type) -> None:
    found = results(sample(dtype), dtype)
    assert hashlib.sha256(found.tobytes()).hexdigest()[:16] == BITS[dtype]


def test_error_is_below_a_unit_and_a_half_in_the_last_place() -> None:
    x = sample(np.float32)
    x = x[(x > -1) & (x < 1e30) & (np.abs(x) > 1e-30)]
    found, expected = results(x, np.float32), np.log1p(x.astype(np.float64))
    assert np.max(np.abs(found - expected) / np.spacing(np.abs(found))) < 1.5


@pytest.mark.parametrize("dtype", DTYPES)
def test_values_that_are_exact(dtype: type) -> None:
    found = results([0.0, -0.0, math.inf, -1.0], dtype)
    np.testing.assert_array_equal(found, [0.0, -0.0, math.inf, -math.inf])
    np.testing.assert_array_equal(np.signbit(found), [False, True, False, True])
    below = np.nextafter(dtype(-1), dtype(-2))
    assert np.isnan(results([math.nan, -math.nan, below, -2.0, -math.inf], dtype)).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_tiny_values_stay(dtype: type) -> None:
    tiny = np.array([1, 2, 3, 1000, -1, -2, -3, -1000], dtype) * np.finfo(dtype).smallest_subnormal
    np.testing.assert_array_equal(results(tiny, dtype), tiny)


@pytest.mark.parametrize("dtype", DTYPES)
def test_loops_use_vectors(dtype: type) -> None:
    """A vector of results does not depend on how many are computed at once, and its loop has no call."""
    x = sample(dtype)[:1000]
    singles = np.concatenate([results(x[i : i + 1], dtype) for i in range(x.size)])
    np.testing.assert_array_equal(results(x, dtype), singles)
    (code,) = (text for types, text in COMPUTE.inspect_llvm().items() if str(types[0].dtype) == np.dtype(dtype).name)
    assert " x float>" in code if dtype == np.float32 else " x double>" in code
    assert "@log1p" not in code


def test_result_has_the_type_of_the_argument() -> None:
    for dtype in DTYPES:
        assert type(log1p(dtype(0.5))) is dtype
