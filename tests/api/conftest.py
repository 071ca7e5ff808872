"""Rows that the tests of the Python interface share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

Arrays = tuple[NDArray[Any], NDArray[Any]]


@pytest.fixture
def moons() -> Arrays:
    """Return 120 rows of two features, and which of two half-moons each is of."""
    rng = np.random.default_rng(5)
    label = np.arange(120) % 2
    angle = rng.uniform(0, np.pi, 120) + np.pi * label
    x = np.column_stack([np.cos(angle) + label, np.sin(angle) + 0.5 * label]) + rng.normal(0, 0.1, (120, 2))
    return x, label
