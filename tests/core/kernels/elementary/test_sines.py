"""Sine and cosine of an angle in float64: the bits of glibc 2.36 wherever they run."""

from __future__ import annotations

import hashlib
import math

import numba
import numpy as np

from ddp_mlp.core.kernels.elementary.sines import sine_and_cosine

#: Of the results for `sample`, as glibc 2.36 has them on a CPU with fused multiply-adds. Once, 438 million
#: were compared.
BITS = "c6caa646bc5cf6cb"


@numba.njit(error_model="numpy")
def compute(angles, sines, cosines):
    for i in range(angles.shape[0]):
        sines[i], cosines[i] = sine_and_cosine(angles[i])


def results(angles: list[float] | np.ndarray) -> np.ndarray:
    angles = np.array(angles, np.float64)
    found = np.empty((2, angles.size))
    compute(angles, found[0], found[1])
    return found


def sample() -> np.ndarray:
    """Return angles of a turn, tiny ones, some turns, and many around the bounds of the branches and of the table."""
    bounds = [0.126, 0.85546875, float.fromhex("0x1.368fdp1"), 2.0**-26, *(np.arange(1, 9) * math.pi / 4)]
    bounds += ((np.arange(110) + 0.5) / 128).tolist()
    around = [bound + np.arange(-1000, 1000) * np.spacing(bound) for bound in bounds]
    spread = [
        np.linspace(0.0, 2 * math.pi, 1_000_001),
        np.linspace(0.0, 1e6, 200_001),
        np.geomspace(1e-300, 7, 200_001),
    ]
    return np.concatenate([*spread, *around])


def test_bits_are_those_of_glibc() -> None:
    assert hashlib.sha256(results(sample()).tobytes()).hexdigest()[:16] == BITS


def test_they_are_sine_and_cosine() -> None:
    x = sample()
    found, exact = results(x), np.array([np.sin(x.astype(np.longdouble)), np.cos(x.astype(np.longdouble))])
    assert np.max(np.abs(found - exact)) < 2.0**-53
    near = x < 2.5  # beyond it the longer type is short of digits where one of both is nearly 0
    assert np.max(np.abs(found - exact)[:, near] / np.spacing(np.abs(found[:, near]))) < 0.6


def test_values_that_are_exact() -> None:
    tiny = np.finfo(np.float64).smallest_subnormal
    np.testing.assert_array_equal(results([0.0, tiny, 1e-300]), [[0.0, tiny, 1e-300], [1.0, 1.0, 1.0]])
    assert np.isnan(results([math.nan])).all()


def test_loops_use_vectors() -> None:
    """A vector of results does not depend on how many are computed at once, and its loop has no call."""
    x = np.linspace(0.0, 7.0, 999)
    np.testing.assert_array_equal(results(x), np.concatenate([results(x[i : i + 1]) for i in range(x.size)], axis=1))
    (code,) = compute.inspect_llvm().values()
    assert " x double>" in code
