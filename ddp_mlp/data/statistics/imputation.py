"""Fill missing values by what the training rows had most often in their column: median, or most frequent category."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def fill_missing(features: NDArray[Any], fill: NDArray[np.float64] | None) -> NDArray[Any]:
    """Return features, shape (n, F), with NaN replaced by the value of their column in `fill`; None leaves them."""
    if fill is None or features.dtype.kind != "f":
        return features
    missing = np.isnan(features)
    return np.where(missing, fill, features) if missing.any() else features
