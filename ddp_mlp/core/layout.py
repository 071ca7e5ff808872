"""The one vector: where each layer's weight and bias lie in it.

Parameters, gradient, moments and checkpoint are flat, contiguous vectors of the same
layout: for each layer its weight (n_in, n_out) in C order, then its bias (n_out,).
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Segment:
    """One named block of the vector, `start` and `shape` in elements."""

    name: str
    start: int
    shape: tuple[int, ...]

    @property
    def stop(self) -> int:
        """End of the block, exclusive."""
        return self.start + int(np.prod(self.shape))

    def view(self, vector: Floats) -> Floats:
        """Return this block of `vector` (P,) in its own shape, without a copy."""
        return vector[self.start : self.stop].reshape(self.shape)


@dataclass(frozen=True)
class Layout:
    """Segments of the parameter vector of a network.

    Attributes
    ----------
    sizes : tuple of int
        Widths from the features to the outputs, at least two.
    """

    sizes: tuple[int, ...]

    @property
    def n_layers(self) -> int:
        """Number of layers with weights."""
        return len(self.sizes) - 1

    @property
    def n_parameters(self) -> int:
        """Length P of the vector."""
        return sum((n_in + 1) * n_out for n_in, n_out in zip(self.sizes, self.sizes[1:], strict=False))

    def weight(self, layer: int) -> Segment:
        """Return the segment of a layer's weight, shape (n_in, n_out)."""
        n_in, n_out = self.sizes[layer : layer + 2]
        start = Layout(self.sizes[: layer + 1]).n_parameters
        return Segment(f"layer{layer + 1}.weight", start, (n_in, n_out))

    def bias(self, layer: int) -> Segment:
        """Return the segment of a layer's bias, shape (n_out,)."""
        return Segment(f"layer{layer + 1}.bias", self.weight(layer).stop, (self.sizes[layer + 1],))

    def segments(self) -> Iterator[Segment]:
        """Yield all segments in the order of the vector."""
        for layer in range(self.n_layers):
            yield self.weight(layer)
            yield self.bias(layer)


def digest(vector: Floats) -> str:
    """Return the SHA-256 of a vector: C order, little endian, in its own dtype.

    Examples
    --------
    >>> digest(np.zeros(2, np.float32))[:16]
    'af5570f5a1810b7a'
    """
    if sys.byteorder == "big":
        vector = vector.byteswap()
    return hashlib.sha256(np.ascontiguousarray(vector).data).hexdigest()
