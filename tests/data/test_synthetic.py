"""Made data: known points, the same rows from the same seed, sizes."""

from __future__ import annotations

import numpy as np
import pytest

from ddp_mlp.data.sources.made import synthetic
from ddp_mlp.data.sources.made.synthetic import RECIPES, make_synthetic
from ddp_mlp.errors import UsageError


def rows_of(
    name: str, samples: int | None = None, seed: int = 0, split: str = "train"
) -> tuple[np.ndarray, np.ndarray]:
    blocks = [rows for s, rows in make_synthetic(name, samples, seed).blocks() if s == split]
    return np.concatenate([b.features for b in blocks]), np.concatenate([b.targets for b in blocks])


@pytest.mark.parametrize("split", ["train", "test"])
def test_xor_is_its_four_points(split: str) -> None:
    features, targets = rows_of("xor", split=split)
    assert features.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert targets.tolist() == [[0], [1], [1], [0]]


def test_xor_repeats_its_points() -> None:
    features, targets = rows_of("xor", 10)
    assert features.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]] * 2 + [[0, 0], [0, 1]]
    assert targets[:, 0].tolist() == [0, 1, 1, 0, 0, 1, 1, 0, 0, 1]


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_a_recipe_keeps_its_description(name: str) -> None:
    source = make_synthetic(name, 300, 1)
    d = source.schema
    assert list(source.sizes) == ["train", "test"]
    for split, rows in source.blocks():
        assert rows.features.shape == (source.sizes[split], d.n_features)
        assert rows.targets.shape == (source.sizes[split], d.n_targets)
        assert rows.features.dtype == rows.targets.dtype == np.float64
        assert rows.features.flags.c_contiguous
        assert np.isfinite(rows.features).all()
        if d.n_classes:
            assert set(rows.targets.ravel()) == set(range(d.n_classes))
    assert d.feature_names is not None
    assert len(d.feature_names) == d.n_features


@pytest.mark.parametrize("name", sorted(set(RECIPES) - {"xor"}))
def test_seeds_and_splits_differ_and_repeat(name: str) -> None:
    first = rows_of(name, 200, 3)[0]
    assert first.tobytes() == rows_of(name, 200, 3)[0].tobytes()
    assert first.tobytes() != rows_of(name, 200, 4)[0].tobytes()
    test = rows_of(name, 200, 3, "test")[0]
    assert len(test) == 50
    assert not np.isin(test[:, 0], first[:, 0]).any()


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_fewer_samples_are_the_first_of_more(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic, "BLOCK_ROWS", 64)
    few, many = rows_of(name, 100, 5), rows_of(name, 150, 5)
    np.testing.assert_array_equal(few[0], many[0][:100])
    np.testing.assert_array_equal(few[1], many[1][:100])


def test_sine_is_the_sine() -> None:
    x, y = rows_of("sine", 5000)
    np.testing.assert_array_equal(y, np.sin(x))
    assert -np.pi <= x.min() < -3.1
    assert 3.1 < x.max() <= np.pi


def test_noisy_xor_stays_near_its_corners() -> None:
    features, targets = rows_of("noisy-xor", 4000)
    corners = np.round(np.clip(features, 0, 1))
    agreement = np.mean((corners[:, 0] != corners[:, 1]) == targets[:, 0])
    assert 0.97 < agreement < 1.0


def test_spirals_and_moons_are_not_linear_but_separable_by_neighbours() -> None:
    for name in ("spirals", "moons"):
        x, y = rows_of(name, 1500)
        distances = np.square(x[:300, None] - x[None, 300:]).sum(axis=2)
        guess = y[300:, 0][distances.argmin(axis=1)]
        assert np.mean(guess == y[:300, 0]) > 0.97


def test_the_teacher_is_one_function_of_the_seed() -> None:
    x, y = rows_of("teacher", 2000, 9)
    x2, y2 = rows_of("teacher", 2000, 9, "test")
    assert (x.shape, y.shape) == ((2000, 16), (2000, 4))
    assert 0.3 < y.std() < 1.0
    # One linear map explains most, not all, of it: and the same one on both splits.
    fit = np.linalg.lstsq(x, y, rcond=None)[0]
    assert 0.01 < np.mean((x @ fit - y) ** 2) / y.var() < 0.5
    assert np.mean((x2 @ fit - y2) ** 2) / y2.var() < 0.5


@pytest.mark.parametrize(
    ("name", "samples", "seed", "phrase"),
    [("xo", None, 0, "choose from xor"), ("xor", 0, 0, "at least 1"), ("sine", 5, -1, "--seed -1")],
)
def test_requests_that_mean_nothing(name: str, samples: int | None, seed: int, phrase: str) -> None:
    with pytest.raises(UsageError, match=phrase):
        make_synthetic(name, samples, seed)
