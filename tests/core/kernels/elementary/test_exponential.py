"""The exponential of the kernels: within two units in the last place, over the whole range."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest

from ddp_mlp.catalog.arithmetic import exp
from tests.core.kernels.elementary.over_arrays import applied, over_all

DTYPES = [np.float32, np.float64]


COMPUTE = over_all(exp)


def exp_of(values, dtype: type) -> np.ndarray:
    return applied(COMPUTE, values, dtype)


def ulps_off(x: np.ndarray) -> float:
    """Return the largest error in units in the last place, from 40 decimal digits."""
    worst = 0.0
    with localcontext() as context:
        context.prec = 40
        for a, y in zip(x.tolist(), exp_of(x, x.dtype.type), strict=True):
            unit = Decimal(float(np.spacing(y)))
            worst = max(worst, float(abs(Decimal(float(y)) - Decimal(a).exp()) / unit))
    return worst


@pytest.mark.parametrize(("dtype", "lowest", "highest"), [(np.float32, -87.0, 88.5), (np.float64, -708.0, 709.5)])
def test_error_is_below_two_units_in_the_last_place(
    dtype: type, lowest: float, highest: float, rng: np.random.Generator
) -> None:
    halves = (np.arange(-40, 40) + 0.5) * math.log(2)  # where the reduced argument is largest
    for x in (rng.uniform(lowest, highest, 1500), rng.uniform(-2, 2, 1000), halves, rng.normal(0, 1e-6, 100)):
        assert ulps_off(x.astype(dtype)) < 2


@pytest.mark.parametrize("dtype", DTYPES)
def test_values_that_are_exact(dtype: type) -> None:
    np.testing.assert_array_equal(exp_of([0.0, -0.0, math.inf, -math.inf], dtype), [1.0, 1.0, math.inf, 0.0])
    assert np.isnan(exp_of([math.nan, -math.nan], dtype)).all()


@pytest.mark.parametrize(("dtype", "highest", "lowest"), [(np.float32, 88.72, -103.97), (np.float64, 709.78, -745.13)])
def test_overflow_and_underflow(dtype: type, highest: float, lowest: float) -> None:
    """Infinite only beyond the largest number, 0 only below half the smallest."""
    y = exp_of([highest, highest + 0.01, 1e4, lowest + 0.01, lowest - 0.02, -1e4], dtype)
    assert np.isfinite(y).tolist() == [True, False, False, True, True, True]
    assert (y > 0).tolist() == [True, True, True, True, False, False]


@pytest.mark.parametrize(("dtype", "first", "last"), [(np.float32, -103.0, -87.5), (np.float64, -744.0, -708.5)])
def test_underflow_is_gradual(dtype: type, first: float, last: float, rng: np.random.Generator) -> None:
    """Subnormal results are rounded once more: half a unit of the smallest number."""
    assert ulps_off(rng.uniform(first, last, 300).astype(dtype)) < 2.5


@pytest.mark.parametrize("dtype", DTYPES)
def test_it_grows(dtype: type) -> None:
    """Where the reduction changes its `n`, too: a step down would be an error of the two parts of ln 2."""
    edges = [np.dtype(dtype).type((n + 0.5) * math.log(2)) for n in range(-120, 120)]
    for edge in edges:
        around = edge * (1 + np.arange(-8, 9) * 16 * np.finfo(dtype).eps * np.sign(edge))
        assert np.all(np.diff(exp_of(around, dtype)) >= 0), edge


def test_result_has_the_type_of_the_argument() -> None:
    for dtype in DTYPES:
        assert type(exp(dtype(0.5))) is dtype
