"""The settings of augmentation, as kernels read them."""

from __future__ import annotations

#: Fields of the settings, float64; the array is empty where nothing is augmented. Noise and
#: brightness are in normalised units, the shift in pixels, the rotation in radians, the scale
#: relative; height, width and channels are those of an image, 0 where features are none.
NOISE, SHIFT, ROTATION, SCALE, BRIGHTNESS, HEIGHT, WIDTH, CHANNELS = range(8)
AUGMENTATION_FIELDS = 8
