"""Normalisation: exact values, the same bits however the rows are read, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from ddp_mlp.data.normalization import (
    BLOCK_ROWS,
    fit_normalization,
    measure_span,
    normalize,
    resolve_kind,
)
from ddp_mlp.data.statistics.column_stats import block_stats, fold_stats, merge_stats
from ddp_mlp.errors import DataError, UsageError

RNG = np.random.default_rng(7)


def blocks_of(x: np.ndarray, rows: int = BLOCK_ROWS) -> list[np.ndarray]:
    return [x[i : i + rows] for i in range(0, len(x), rows)]


def test_standard_gives_mean_zero_and_variance_one() -> None:
    x = RNG.normal(5.0, 3.0, (10_000, 4)).astype(np.float32)
    fitted = fit_normalization("standard", blocks_of(x), x.dtype, 4)
    y = normalize(fitted, x, np.float64)
    np.testing.assert_allclose(y.mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(y.std(axis=0), 1.0, rtol=1e-12)
    assert (fitted.kind, fitted.constant) == ("standard", ())
    assert fitted.offset.dtype == fitted.scale.dtype == np.float64


def test_large_offsets_cost_no_digits() -> None:
    x = RNG.normal(0.0, 1.0, (50_000, 1)) + 1e9
    fitted = fit_normalization("standard", blocks_of(x), x.dtype, 1)
    np.testing.assert_allclose(fitted.scale, 1.0 / x.std(), rtol=1e-9)


def test_minmax_gives_zero_to_one() -> None:
    x = np.array([[1.0, -4.0], [3.0, 0.0], [2.0, 4.0]])
    fitted = fit_normalization("minmax", [x[:2], x[2:]], x.dtype, 2)
    assert normalize(fitted, x, np.float64).tolist() == [[0.0, 0.0], [1.0, 0.5], [0.5, 1.0]]


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [("u1", 0, 255), ("i1", -128, 127), ("u2", 0, 65535), ("?", 0, 1), (">i2", -32768, 32767)],
)
def test_unit_uses_the_range_of_the_dtype(dtype: str, low: int, high: int) -> None:
    fitted = fit_normalization("unit", [], dtype, 2)
    ends = np.array([[low, high]]).astype(dtype)
    assert normalize(fitted, ends, np.float64).tolist() == [[0.0, 1.0]]


def test_none_changes_nothing() -> None:
    fitted = fit_normalization("none", [], "f4", 3)
    x = RNG.normal(size=(5, 3)).astype(np.float32)
    np.testing.assert_array_equal(normalize(fitted, x), x)
    assert fitted.offset.tolist() == [0.0] * 3
    assert fitted.scale.tolist() == [1.0] * 3


@pytest.mark.parametrize(
    ("dtype", "high", "kind"),
    [
        ("?", 1, "unit"),
        ("u1", 255, "unit"),
        ("u1", 200, "unit"),
        ("u2", 65535, "unit"),
        ("u1", 1, "standard"),
        ("u1", 16, "standard"),
        ("u1", 100, "standard"),
        ("u2", 4095, "standard"),
        ("i1", 127, "standard"),
        ("u4", 2**32 - 1, "standard"),
        ("f4", 255, "standard"),
        ("f8", 1, "standard"),
    ],
)
def test_auto_takes_the_range_of_a_dtype_only_where_values_fill_it(dtype: str, high: int, kind: str) -> None:
    x = np.array([[0, high, 0], [high, 0, 0]]).astype(dtype)
    assert resolve_kind("auto", dtype, measure_span([x])) == kind


def test_one_column_of_bytes_does_not_decide_for_the_others() -> None:
    x = np.array([[0, 0, 0], [255, 1, 5]], "u1")
    assert resolve_kind("auto", "u1", measure_span([x])) == "standard"


def test_a_span_leaves_missing_values_aside() -> None:
    span = measure_span([np.array([[1.0, np.nan], [np.nan, np.nan]]), np.array([[-3.0, np.nan]])])
    assert (span.low[0], span.high[0], span.n_missing.tolist()) == (-3.0, 1.0, [1, 3])


def test_wide_integers_stay_apart_under_auto() -> None:
    x = np.array([[0], [1], [0], [1]])
    y = normalize(fit_normalization("auto", [x], x.dtype, 1), x)
    assert y.tolist() == [[-1.0], [1.0], [-1.0], [1.0]]


def test_constant_columns_keep_scale_one() -> None:
    # The float64 mean of many 0.1 is not 0.1, so zero variance would not be seen.
    x = np.column_stack([np.full(9999, 0.1), RNG.normal(size=9999), np.zeros(9999)])
    for kind in ("standard", "minmax"):
        fitted = fit_normalization(kind, blocks_of(x, 1000), x.dtype, 3)
        assert fitted.constant == (0, 2)
        assert fitted.scale[[0, 2]].tolist() == [1.0, 1.0]
        assert not normalize(fitted, x, np.float64)[:, [0, 2]].any()


def test_readers_that_share_the_work_get_the_same_bits() -> None:
    x = RNG.normal(3.0, 2.0, (11 * 64, 5))
    blocks = blocks_of(x, 64)
    alone = fit_normalization("standard", blocks, x.dtype, 5)
    shared = {i: block_stats(block) for rank in range(3) for i, block in list(enumerate(blocks))[rank::3]}
    together = fold_stats(shared[i] for i in range(len(blocks)))
    assert alone.offset.tobytes() == together.mean.tobytes()
    assert together.count == len(x)


def test_the_tree_is_the_same_for_the_same_number_of_parts() -> None:
    parts = [block_stats(RNG.normal(size=(10, 2))) for _ in range(5)]
    a, b, c, d, e = parts
    expected = merge_stats(merge_stats(merge_stats(a, b), merge_stats(c, d)), e)
    found = fold_stats(parts)
    assert found.mean.tobytes() == expected.mean.tobytes()
    assert found.squares.tobytes() == expected.squares.tobytes()


def test_merging_agrees_with_the_whole() -> None:
    x = RNG.normal(size=(100, 3))
    merged = merge_stats(block_stats(x[:30]), block_stats(x[30:]))
    whole = block_stats(x)
    np.testing.assert_allclose(merged.mean, whole.mean, atol=1e-15)
    np.testing.assert_allclose(merged.squares, whole.squares, rtol=1e-13)
    np.testing.assert_array_equal(merged.low, whole.low)
    np.testing.assert_array_equal(merged.high, whole.high)


def test_rows_are_rounded_once() -> None:
    x = np.array([[2.0**40 + 1.0], [2.0**40 - 1.0]])
    fitted = fit_normalization("standard", [x], x.dtype, 1)
    assert normalize(fitted, x).tolist() == [[1.0], [-1.0]]
    assert normalize(fitted, x).dtype == np.float32


@pytest.mark.parametrize("kind", ["unit", "zscore"])
def test_kinds_that_do_not_fit_are_usage_errors(kind: str) -> None:
    with pytest.raises(UsageError, match="standard"):
        fit_normalization(kind, [], "f4", 1)


def test_values_without_measure_are_refused() -> None:
    x = np.array([[1e308], [-1e308]])
    with pytest.raises(DataError, match="column 0: values from -1e"):
        fit_normalization("standard", [x], x.dtype, 1)
    with pytest.raises(DataError, match="too far apart"):
        fit_normalization("minmax", [x], x.dtype, 1)


@pytest.mark.parametrize(("kind", "largest"), [("standard", 1e-154), ("minmax", 1e-308)])
def test_values_whose_spread_vanishes_are_refused_not_taken_for_constant(kind: str, largest: float) -> None:
    x = RNG.uniform(size=(50, 2)) * [1.0, largest]
    with pytest.raises(DataError, match=r"column 1: values from .* are too close together to normalise"):
        fit_normalization(kind, [x], x.dtype, 2)
    y = normalize(fit_normalization(kind, [x * 1e3], x.dtype, 2), x * 1e3, np.float64)
    assert np.ptp(y, axis=0) == pytest.approx(1 if kind == "minmax" else 3.4, abs=0.5)


def test_no_rows_are_refused() -> None:
    with pytest.raises(DataError, match="no rows"):
        fit_normalization("standard", [], "f8", 1)
