"""Products of factors rounded to bfloat16: in bits those of the oracle, with the instruction and without."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import llvmlite.binding as llvm
import numba
import numpy as np
import pytest

from ddp_mlp.core.kernels.gemm.gemm import Matrix
from ddp_mlp.core.kernels.gemm.pairs import multiply_pairs
from ddp_mlp.core.targets import TARGETS
from tests import bfloat16
from tests.tiers import thorough

#: (m, n, k): one of all, odd k, edges of tiles and vectors, more than a panel, and nothing.
SHAPES = [
    (1, 1, 1), (1, 33, 2), (3, 1, 5), (8, 32, 31), (9, 31, 33), (13, 33, 65), (17, 16, 64), (2, 65, 4099),
    (70, 70, 20), (4, 3, 0), (0, 3, 4),
]  # fmt: skip
LAYOUTS = [(False, False), (True, False), (False, True), (True, True)]
KINDS = ["any", "tiny products", "tiny factors", "large"]
FLOAT32 = np.finfo(np.float32)


@numba.njit(error_model="numpy")
def multiply(a, a_start, a_row, a_step, b, b_start, b_row, b_step, transposed, c, c_start, c_row, m, n, k, adds):
    factors = Matrix(a, a_start, a_row, a_step), Matrix(b, b_start, b_row, b_step)
    multiply_pairs(factors[0], factors[1], transposed, Matrix(c, c_start, c_row, 1), m, n, k, adds)


def embedded(matrix: np.ndarray, start: int, row: int) -> np.ndarray:
    """Lay the rows of a matrix `row` apart into a longer vector of numbers that nobody should read."""
    flat = np.full(start + row * len(matrix) + 5, np.nan, matrix.dtype)
    flat[start : start + row * len(matrix)].reshape(len(matrix), row)[:, : matrix.shape[1]] = matrix
    return flat


def product(
    a: np.ndarray, b: np.ndarray, flip_a: bool = False, flip_b: bool = False, before: np.ndarray | None = None
) -> np.ndarray:
    """Multiply matrices that lie among other numbers, and see that nothing else is written."""
    (m, k), n, start, c_row = a.shape, b.shape[1], 3, b.shape[1] + 2
    flat_a = embedded(a.T if flip_a else a, start, (m if flip_a else k) + 1)
    flat_b = embedded(b.T if flip_b else b, start, (k if flip_b else n) + 4)
    steps, b_steps = (1, m + 1) if flip_a else (k + 1, 1), (1, k + 4) if flip_b else (n + 4, 1)
    c = embedded(np.full((m, n), 7.0, a.dtype) if before is None else before, start, c_row)
    multiply(
        flat_a, start, *steps, flat_b, start, *b_steps, flip_b, c, start, c_row, m, n, k, before is not None
    )  # fmt: skip
    window = c[start : start + m * c_row].reshape(m, c_row)
    result = window[:, :n].copy()
    window[:, :n] = np.nan
    assert np.isnan(c).all(), "written outside of the matrix"
    return result


def assert_same_bits(found: np.ndarray, expected: np.ndarray) -> None:
    """Compare all but the digits of what is no number."""
    assert found.dtype == expected.dtype == np.float32
    is_nan = np.isnan(expected)
    np.testing.assert_array_equal(np.isnan(found), is_nan)
    np.testing.assert_array_equal(found.view(np.uint32)[~is_nan], expected.view(np.uint32)[~is_nan])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_products_have_the_bits_of_the_oracle_however_the_matrices_lie(shape, rng: np.random.Generator) -> None:
    m, n, k = shape
    a, b = rng.normal(size=(m, k)).astype(np.float32), rng.normal(size=(k, n)).astype(np.float32)
    before, expected = rng.normal(size=(m, n)).astype(np.float32), bfloat16.product(a, b)
    for flips in LAYOUTS:
        assert_same_bits(product(a, b, *flips), expected)
        assert_same_bits(product(a, b, *flips, before), before + expected)


def numbers(shape: tuple[int, ...], kind: str, rng: np.random.Generator) -> np.ndarray:
    """Return float32 of any bits, or with exponents about those where products, or factors, become subnormal."""
    bits = rng.integers(0, 2**32, shape, np.uint32)
    if kind != "any":
        lowest, highest = {"tiny products": (60, 68), "tiny factors": (0, 4), "large": (180, 255)}[kind]
        bits = bits & 0x807FFFFF | rng.integers(lowest, highest, shape, np.uint32) << 23
    return bits.view(np.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_subnormal_and_infinite_numbers_and_those_that_are_none(kind: str, rng: np.random.Generator) -> None:
    for k in (1, 2, 3, 9):
        a, b = numbers((60, k), kind, rng), numbers((k, 70), "any" if kind == "tiny factors" else kind, rng)
        assert_same_bits(product(a, b), bfloat16.product(a, b))


def test_a_result_is_subnormal_if_it_is_before_it_is_rounded_to_few_digits() -> None:
    """About the smallest normal number: half a unit below it counts as it, and three quarters of one do not."""
    tiny = FLOAT32.smallest_normal
    for parts in (0.5, 0.75, 1.0, 1.5, 2.0, 3.0, -1.0):
        a = np.array([[-parts * 2.0**-75, 2.0**-63]], np.float32)
        b = np.array([[2.0**-75], [2.0**-63]], np.float32)  # 2^-126 - parts 2^-150
        for sign in (1, -1):
            found, exact = product(sign * a, b)[0, 0], sign * (2.0**-126 - parts * 2.0**-150)
            assert_same_bits(np.array([found]), bfloat16.product(sign * a, b)[0])
            assert found == (0 if abs(exact) < float(tiny) - 2.0**-151 else np.float32(exact))


def test_sums_that_are_added_to_keep_their_subnormal_numbers() -> None:
    before = np.full((1, 1), FLOAT32.smallest_subnormal)
    zero = np.zeros((1, 1), np.float32)
    assert product(zero, zero, before=before) == FLOAT32.smallest_subnormal


def test_the_error_is_that_of_rounded_factors(rng: np.random.Generator) -> None:
    a, b = rng.normal(size=(20, 300)).astype(np.float32), rng.normal(size=(300, 20)).astype(np.float32)
    exact, size = a.astype(float) @ b.astype(float), abs(a.astype(float)) @ abs(b.astype(float))
    assert np.all(abs(product(a, b) - exact) <= (bfloat16.EPS + 300 * FLOAT32.eps) * size)


#: What is run, in a process that compiles for another CPU: the tests above.
_TESTS = """
import sys
import numpy as np
from ddp_mlp.core.kernels.numba_ext import bfloat16
if sys.argv[1:]:
    bfloat16._HAS_MXCSR = False
from tests.core.kernels.gemm import test_pairs as tests
rng = np.random.default_rng(0)
for shape in tests.SHAPES:
    tests.test_products_have_the_bits_of_the_oracle_however_the_matrices_lie(shape, rng)
for kind in tests.KINDS:
    tests.test_subnormal_and_infinite_numbers_and_those_that_are_none(kind, rng)
tests.test_a_result_is_subnormal_if_it_is_before_it_is_rounded_to_few_digits()
tests.test_sums_that_are_added_to_keep_their_subnormal_numbers()
"""


@pytest.mark.parametrize(
    ("isa", "how"),
    [("haswell", ()), ("haswell", ("no MXCSR",)), thorough("skylake-avx512", ()), thorough("cooperlake", ())],
)
def test_other_instructions_give_the_same_bits(isa: str, how: tuple[str, ...]) -> None:
    """Half as wide, without AVX512-BF16, without the register of x86 that flushes subnormal numbers."""
    target, available = TARGETS[isa], llvm.get_host_cpu_features()
    if not all(available.get(name) for name in target.features.replace("+", "").split(",")):
        pytest.skip("this CPU has other instructions")
    done = subprocess.run(
        [sys.executable, "-c", _TESTS, *how], cwd=Path(__file__).parents[4], env={**os.environ, **target.variables()},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
