"""Augmentation: transforms with known answers, the distribution of noise, and what it depends on."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ddp_mlp.config import AugmentConfig
from ddp_mlp.core.augmentation import augmentation_settings
from ddp_mlp.core.kernels.network.augmentation import _add_noise, _interpolate, augment
from ddp_mlp.errors import UsageError


def augmented(x, config: AugmentConfig, image_shape=None, key: int = 5, order=None, dtype="float64") -> np.ndarray:
    x = np.asarray(x, dtype)
    work = x.ravel().copy()
    order = np.arange(len(x)) if order is None else np.asarray(order)
    settings = augmentation_settings(config, image_shape)
    augment(settings, np.uint64(key), order, 0, len(x), x.shape[1], work)
    return work.reshape(x.shape)


def test_nothing_configured_is_nothing() -> None:
    assert augmentation_settings(AugmentConfig(), None).size == 0
    assert augmentation_settings(AugmentConfig(), (8, 8)).size == 0


@pytest.mark.parametrize("key", ["shift", "rotate_deg", "scale", "brightness"])
def test_images_only(key: str) -> None:
    with pytest.raises(UsageError, match="image_shape"):
        augmentation_settings(AugmentConfig(**{key: 0.5}), None)
    assert augmentation_settings(AugmentConfig(**{key: 0.5}), (4, 5, 3))[-3:].tolist() == [4, 5, 3]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_noise_is_normal(dtype: str) -> None:
    noise = augmented(np.zeros((500, 201)), AugmentConfig(noise=0.5), dtype=dtype) / 0.5
    n = noise.size
    # Mean, variance and fourth moment of n normal numbers, each within 5 of its standard deviations.
    assert abs(noise.mean()) < 5 / math.sqrt(n)
    assert abs((noise**2).mean() - 1) < 5 * math.sqrt(2 / n)
    assert abs((noise**4).mean() - 3) < 5 * math.sqrt(96 / n)
    for a, b in ((noise[:, :-1], noise[:, 1:]), (noise[:-1], noise[1:])):
        assert abs((a * b).mean()) < 5 / math.sqrt(a.size)


def test_noise_of_few_features() -> None:
    row = np.zeros(1)
    _add_noise(row, np.uint64(3), 1.0)
    assert row[0] != 0


def test_a_sample_changes_alike_wherever_it_is(rng: np.random.Generator) -> None:
    x = rng.normal(size=(12, 9))
    config = AugmentConfig(noise=0.1, shift=1, rotate_deg=20, scale=0.2, brightness=0.3)
    order = rng.permutation(12)
    first = augmented(x, config, (3, 3))
    np.testing.assert_array_equal(augmented(x[order], config, (3, 3), order=order), first[order])
    np.testing.assert_array_equal(augmented(x, config, (3, 3)), first)
    assert not np.any(augmented(x, config, (3, 3), key=6) == first)


def test_interpolation_is_bilinear_and_zero_outside() -> None:
    image = np.array([1.0, 2.0, 3.0, 4.0])  # 2 x 2
    at = [(0, 0, 1), (1, 1, 4), (0.5, 0.5, 2.5), (0, 0.25, 1.25), (-1, 0, 0), (-0.5, 0, 0.5), (1, 1.5, 2), (9, 0, 0)]
    for y, x, expected in at:
        assert _interpolate(image, float(y), float(x), 0, 2, 2, 1) == expected


def test_brightness_adds_the_same_everywhere() -> None:
    change = augmented(np.zeros((300, 6)), AugmentConfig(brightness=0.4), (2, 3))
    assert np.all(change == change[:, :1])
    assert np.all(abs(change) <= 0.4)
    assert abs(change[:, 0].mean()) < 5 * 0.4 / math.sqrt(3 * 300)
    assert change.min() < -0.3
    assert change.max() > 0.3


def moments(image: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Return mass, centre and covariance of an image of positive values."""
    points = np.indices(image.shape).reshape(2, -1)
    mass = image.sum()
    centre = (points * image.ravel()).sum(axis=1) / mass
    away = points - centre[:, None]
    return mass, centre, (away * image.ravel()) @ away.T / mass


def blob() -> np.ndarray:
    y, x = np.indices((31, 31)) - 15
    return np.exp(-(y**2) / 18 - x**2 / 8)  # longer along y, and gone at the border


@pytest.mark.parametrize("axis", [0, 1])
def test_shift_moves_the_centre(axis: int) -> None:
    moved = augmented(np.tile(blob().ravel(), (200, 1)), AugmentConfig(shift=3), (31, 31))
    shifts = np.array([moments(image.reshape(31, 31))[1][axis] - 15 for image in moved])
    assert np.all(abs(shifts) <= 3.01)
    assert shifts.min() < -2
    assert shifts.max() > 2
    assert abs(shifts.mean()) < 5 * 3 / math.sqrt(3 * 200)


def test_rotation_turns_the_axes_and_keeps_the_mass() -> None:
    original_mass, _, original = moments(blob())
    turned = augmented(np.tile(blob().ravel(), (100, 1)), AugmentConfig(rotate_deg=60), (31, 31))
    angles = []
    for image in turned:
        mass, centre, covariance = moments(image.reshape(31, 31))
        np.testing.assert_allclose(centre, [15, 15], atol=0.02)
        assert mass == pytest.approx(original_mass, rel=0.01)
        # Interpolation blurs by less than half a pixel: its variance is at most 1/4.
        np.testing.assert_allclose(np.linalg.eigvalsh(covariance), np.linalg.eigvalsh(original), atol=0.3)
        angles.append(0.5 * math.atan2(2 * covariance[0, 1], covariance[0, 0] - covariance[1, 1]))
    assert math.radians(50) < max(np.abs(angles)) <= math.radians(61)
    assert min(angles) < -0.5
    assert max(angles) > 0.5


def test_scale_stretches_both_axes() -> None:
    _, _, original = moments(blob())
    scaled = augmented(np.tile(blob().ravel(), (100, 1)), AugmentConfig(scale=0.3), (31, 31))
    factors = []
    for image in scaled:
        covariance = moments(image.reshape(31, 31))[2]
        factors.append(math.sqrt(covariance[1, 1] / original[1, 1]))
        # Blurred by up to a quarter, and cut off at the border where it is largest.
        assert math.sqrt(covariance[0, 0] / original[0, 0]) == pytest.approx(factors[-1], abs=0.06)
    assert 0.65 < min(factors) < 0.8
    assert 1.2 < max(factors) < 1.35


def test_channels_move_together() -> None:
    one = blob().reshape(-1, 1)
    config = AugmentConfig(shift=2, rotate_deg=30, scale=0.1)
    coloured = augmented((one * [1.0, 2.0, 4.0]).reshape(1, -1), config, (31, 31, 3)).reshape(-1, 3)
    np.testing.assert_array_equal(coloured, augmented(one.reshape(1, -1), config, (31, 31)).reshape(-1, 1) * [1, 2, 4])
