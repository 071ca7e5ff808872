"""Augmentation: samples changed at random while they are gathered for training.

What happens to a sample is a function of (seed, epoch, sample): five uniform numbers for
the image transforms, and a normal one for every feature where there is noise. So it is
the same on any number of ranks and threads, and after a resume.

Sources: "Deep Learning" (2016), sections 7.4 and 7.5; for normal numbers G. E. P. Box,
M. E. Muller, Ann. Math. Statist. 29 (1958) 610.
"""

from __future__ import annotations

import math

import numpy as np

from ddp_mlp.catalog.arithmetic import like
from ddp_mlp.core.kernels.elementary.sines import sine_and_cosine
from ddp_mlp.core.kernels.network.augmentation_settings import (
    BRIGHTNESS,
    CHANNELS,
    HEIGHT,
    NOISE,
    ROTATION,
    SCALE,
    SHIFT,
    WIDTH,
)
from ddp_mlp.core.kernels.numba_ext.intrinsics import in_loops, jit
from ddp_mlp.core.kernels.random import draw
from ddp_mlp.core.kernels.vector_ops import copy

#: Number of the first draw that makes noise; those below are for the transforms.
_NOISE_DRAWS = 8


@jit
def _uniform(key, counter):
    """Return a number in [0, 1) with 53 random bits."""
    return np.float64(draw(key, np.uint64(counter)) >> np.uint64(11)) * 2.0**-53


@jit
def _between(key, counter, limit):
    """Return a number uniform in [-limit, limit)."""
    return (2.0 * _uniform(key, counter) - 1.0) * limit


@jit
def _add_noise(row, key, sigma):
    """Add normal numbers of standard deviation `sigma`, two at a time."""
    logs = np.empty((row.shape[0] + 1) // 2)  # by themselves, since they are calls of the C library
    for i in range((row.shape[0] + 1) // 2):
        logs[i] = math.log(1.0 - _uniform(key, _NOISE_DRAWS + 2 * i))
    n_pairs = row.shape[0] // 2
    for i in range(n_pairs):
        first, second = _normal_pair(key, i, sigma, logs)
        row[2 * i] += like(row, first)
        row[2 * i + 1] += like(row, second)
    if 2 * n_pairs < row.shape[0]:
        first, _ = _normal_pair(key, n_pairs, sigma, logs)
        row[2 * n_pairs] += like(row, first)


@in_loops
def _normal_pair(key, i, sigma, logs):
    radius = sigma * math.sqrt(-2.0 * logs[i])
    sin, cos = sine_and_cosine(2.0 * math.pi * _uniform(key, _NOISE_DRAWS + 2 * i + 1))
    return radius * cos, radius * sin


@jit
def _pixel(image, y, x, channel, height, width, channels):
    """Return a value of an image (H * W * C,), 0 outside of it."""
    if y < 0 or y >= height or x < 0 or x >= width:
        return 0.0
    return np.float64(image[(y * width + x) * channels + channel])


@jit
def _interpolate(image, y, x, channel, height, width, channels):
    """Return the bilinear interpolation of an image at a point between its pixels."""
    top, left = math.floor(y), math.floor(x)
    down, right = y - top, x - left
    i, j = int(top), int(left)
    upper = (1.0 - right) * _pixel(image, i, j, channel, height, width, channels)
    upper += right * _pixel(image, i, j + 1, channel, height, width, channels)
    lower = (1.0 - right) * _pixel(image, i + 1, j, channel, height, width, channels)
    lower += right * _pixel(image, i + 1, j + 1, channel, height, width, channels)
    return (1.0 - down) * upper + down * lower


@jit
def _transform(image, out, settings, key):
    """Shift, rotate and scale `image` about its centre into `out`: each pixel looks up where it came from."""
    height, width, channels = int(settings[HEIGHT]), int(settings[WIDTH]), int(settings[CHANNELS])
    shift_y, shift_x = _between(key, 0, settings[SHIFT]), _between(key, 1, settings[SHIFT])
    angle, scale = _between(key, 2, settings[ROTATION]), 1.0 + _between(key, 3, settings[SCALE])
    cos, sin = math.cos(angle) / scale, math.sin(angle) / scale
    middle_y, middle_x = 0.5 * (height - 1), 0.5 * (width - 1)
    for y in range(height):
        for x in range(width):
            dy, dx = y - middle_y - shift_y, x - middle_x - shift_x
            from_y, from_x = middle_y + cos * dy - sin * dx, middle_x + sin * dy + cos * dx
            for c in range(channels):
                value = _interpolate(image, from_y, from_x, c, height, width, channels)
                out[(y * width + x) * channels + c] = like(out, value)


@jit
def augment(settings, key, order, start, n_rows, n_columns, work):
    """Change the gathered rows (B, I) at the beginning of `work`; row r is sample ``order[start + r]``."""
    moves = settings[SHIFT] > 0.0 or settings[ROTATION] > 0.0 or settings[SCALE] > 0.0
    original = np.empty(n_columns, work.dtype)
    for r in range(n_rows):
        row = work[r * n_columns : (r + 1) * n_columns]
        sample_key = draw(key, np.uint64(order[start + r]))
        if moves:
            copy(row, original)
            _transform(original, row, settings, sample_key)
        if settings[BRIGHTNESS] > 0.0:
            change = like(row, _between(sample_key, 4, settings[BRIGHTNESS]))
            for c in range(n_columns):
                row[c] += change
        if settings[NOISE] > 0.0:
            _add_noise(row, sample_key, settings[NOISE])
