"""Medians digit by digit: those of NumPy, from any blocks and readers."""

from __future__ import annotations

import numpy as np
import pytest

from ddp_mlp.data.statistics.medians import exact_medians, passes_over


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i4", "u1"])
def test_medians_are_those_of_numpy(dtype: str) -> None:
    rng = np.random.default_rng(0)
    for n_rows in (1, 2, 7, 1000):
        values = rng.normal(0, 30, (n_rows, 6)).astype(dtype)
        values[:, 1] = rng.integers(0, 3, n_rows)  # many equal ones
        if values.dtype.kind == "f":
            values[rng.random(values.shape) < 0.2] = np.nan
            values[:, 2] = np.nan
            values[:, 3] = -np.finfo(dtype).max if n_rows % 2 else -0.0
        expected = [float(np.median(c[~np.isnan(c)].astype(float))) if (~np.isnan(c)).any() else 0.0 for c in values.T]
        passes: list[np.ndarray] = []

        def noted(counts: np.ndarray, passes: list[np.ndarray] = passes) -> np.ndarray:
            passes.append(counts)
            return counts

        parts = np.array_split(values, 3)
        found = exact_medians(lambda parts=parts: parts, 6, values.dtype, noted)
        np.testing.assert_array_equal(found, expected)
        assert len(passes) == passes_over(values.dtype)
