"""The one vector: where each layer's weight and bias lie in it.

Parameters, gradient, moments and checkpoint are flat, contiguous vectors of the same
layout: for each layer its weight (n_in, n_out) in C order, then its bias (n_out,).
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from math import prod

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
        return self.start + prod(self.shape)

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
    pieces : tuple of int
        Linear pieces of the units of each layer, 1 but for maxout; empty where all are 1.
    tied : bool
        The layers of the second half have no weight of their own: each uses the transpose
        of its mirror image's. Then `sizes` reads the same from both ends.
    """

    sizes: tuple[int, ...]
    pieces: tuple[int, ...] = ()
    tied: bool = False

    @property
    def n_layers(self) -> int:
        """Number of layers."""
        return len(self.sizes) - 1

    @property
    def n_parameters(self) -> int:
        """Length P of the vector."""
        return self._starts()[-1]

    def width(self, layer: int) -> int:
        """Return the columns of a layer's weight: its units times their pieces."""
        return self.sizes[layer + 1] * (self.pieces[layer] if self.pieces else 1)

    def owner(self, layer: int) -> int:
        """Return the layer whose weight a layer uses, transposed where it is another one."""
        return min(layer, self.n_layers - 1 - layer) if self.tied else layer

    def weight(self, layer: int) -> Segment:
        """Return the segment of the weight that a layer uses, in its owner's shape (n_in, width)."""
        owner = self.owner(layer)
        return Segment(f"layer{owner + 1}.weight", self._starts()[owner], (self.sizes[owner], self.width(owner)))

    def bias(self, layer: int) -> Segment:
        """Return the segment of a layer's bias, shape (width,)."""
        width = self.width(layer)
        return Segment(f"layer{layer + 1}.bias", self._starts()[layer + 1] - width, (width,))

    def segments(self) -> Iterator[Segment]:
        """Yield all segments in the order of the vector."""
        yield from self._segments

    @cached_property
    def _segments(self) -> tuple[Segment, ...]:
        """All segments, which the hashes of every epoch ask for."""
        layers = range(self.n_layers)
        of_layers = [[self.weight(layer)] * (self.owner(layer) == layer) + [self.bias(layer)] for layer in layers]
        return tuple(segment for segments in of_layers for segment in segments)

    def _starts(self) -> list[int]:
        """Return where each layer begins, and P."""
        lengths = [
            self.width(layer) * (1 + (self.sizes[layer] if self.owner(layer) == layer else 0))
            for layer in range(self.n_layers)
        ]
        return list(accumulate(lengths, initial=0))


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
