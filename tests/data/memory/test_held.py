"""Arrays in memory as data sets: images of one order of rows, columns and channels."""

from __future__ import annotations

import numpy as np
import pytest

from ddp_mlp.data.dataset.meaning import Wanted
from ddp_mlp.data.memory.held import Arrays, held_arrays
from ddp_mlp.data.schema import Schema
from ddp_mlp.errors import DataError

IMAGES = np.arange(240, dtype="u1").reshape(10, 4, 2, 3)
KNOWN = Wanted(schema=Schema("multiclass", 24, 3, image_shape=(4, 2, 3)), targets="unused")


@pytest.mark.parametrize("order", [(0, 3, 1, 2), (0, 2, 1, 3)])
def test_images_in_another_order_than_the_model_knows_are_refused(order: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="order"):
        held_arrays({"test": Arrays(IMAGES.transpose(order))}).open(KNOWN)
    with pytest.raises(DataError, match=r"X \(valid\).*order"):
        held_arrays({"train": Arrays(IMAGES), "valid": Arrays(IMAGES.transpose(order)).of("valid")})


@pytest.mark.parametrize("shape", [(10, 24), (10, 4, 2, 3), (10, 4, 6), (10, 1, 4, 2, 3)])
def test_the_same_pixels_in_another_shape_are_the_same(shape: tuple[int, ...]) -> None:
    split = held_arrays({"test": Arrays(IMAGES.reshape(shape))}).open(KNOWN).splits["test"]
    np.testing.assert_array_equal(split.read(0, 10).features, IMAGES.reshape(10, -1))
