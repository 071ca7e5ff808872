"""The samples in memory, as kernels see them."""

from __future__ import annotations

from typing import NamedTuple

from ddp_mlp.core.kernels.arrays import Bytes2, Floats1, Floats2

#: Features are stored as the dtype of training, or as bytes that are scaled while gathering.
STORED_AS_DTYPE, STORED_AS_UINT8 = 0, 1


class Rows(NamedTuple):
    """The samples in memory."""

    features: Bytes2  # (N, bytes of a row)
    stored: int  # STORED_AS_DTYPE or STORED_AS_UINT8
    offset: Floats1  # (F,)
    scale: Floats1  # (F,)
    targets: Floats2  # (N, T)
    weights: Floats1  # (N,), or (0,) where every sample weighs 1
