"""From ``[data.augment]`` to the settings that the kernels read."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.config import AugmentConfig
from ddp_mlp.core.kernels.network import augmentation_settings as kernels
from ddp_mlp.errors import UsageError


def augmentation_settings(config: AugmentConfig, image_shape: tuple[int, ...] | None) -> NDArray[np.float64]:
    """Return the settings of `core.kernels.network.augmentation`, empty where nothing is augmented.

    Parameters
    ----------
    image_shape : tuple of int or None
        (H, W) or (H, W, C) of a sample, in the order of its features; None if it is no image.

    Raises
    ------
    UsageError
        If samples that are no images are to be transformed as such.
    """
    if config.transforms_images and (image_shape is None or len(image_shape) not in (2, 3)):
        raise UsageError(
            "[data.augment] shift, rotate_deg, scale and brightness need features that are images, but the data set "
            "has no image_shape (H, W) or (H, W, C); use noise alone, or import the data with its shape"
        )
    if not config.transforms_images and config.noise == 0:
        return np.zeros(0)
    settings = np.zeros(kernels.AUGMENTATION_FIELDS)
    settings[kernels.NOISE] = config.noise
    settings[kernels.SHIFT] = config.shift
    settings[kernels.ROTATION] = math.radians(config.rotate_deg)
    settings[kernels.SCALE] = config.scale
    settings[kernels.BRIGHTNESS] = config.brightness
    if config.transforms_images and image_shape is not None:
        settings[kernels.HEIGHT : kernels.CHANNELS + 1] = (*image_shape, 1)[:3]
    return settings
