"""From stored numbers to the quantities that they stand for; a value that is missing becomes NaN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ddp_mlp.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EXACT_LIMIT = 2**53


@dataclass(frozen=True, eq=False)
class Decoding:
    """How the numbers of an array become quantities.

    Attributes
    ----------
    stored : numpy.dtype
        As which numbers are to be taken, in native byte order.
    fills : ndarray
        Values that are missing.
    low, high : float
        Others outside are missing too.
    scale, offset : float
        ``stored * scale + offset``.
    ranges_of_scaled : bool
        Whether `low` and `high` are quantities, not stored numbers.
    names : tuple of str
        The attributes that say so.
    """

    stored: np.dtype[Any]
    fills: NDArray[Any]
    low: float = -np.inf
    high: float = np.inf
    scale: float = 1.0
    offset: float = 0.0
    ranges_of_scaled: bool = False
    names: tuple[str, ...] = ()

    @property
    def is_scaled(self) -> bool:
        """Whether numbers are packed quantities."""
        return (self.scale, self.offset) != (1.0, 0.0)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the quantities, which can be NaN."""
        if self.is_scaled:
            return np.dtype(np.float64)
        if self.stored.kind == "f":
            return self.stored
        return np.dtype(np.float32 if self.stored.itemsize <= 2 else np.float64)

    def decode(self, values: NDArray[Any], where: str) -> NDArray[Any]:
        """Return quantities, NaN where they are missing."""
        values = values.astype(values.dtype.newbyteorder("="), copy=False)
        if values.dtype != self.stored:  # signed for unsigned
            values = values.view(self.stored)
        missing = _equals_any(values, self.fills)
        if not self.ranges_of_scaled:
            missing |= (values < self.low) | (values > self.high)
        out = as_exact(np.where(missing, values.dtype.type(0), values), self.dtype, where)
        if self.is_scaled:
            out = out * self.scale + self.offset
        if self.ranges_of_scaled:
            missing |= (out < self.low) | (out > self.high)
        out[missing] = np.nan
        return out

    @property
    def words(self) -> str:
        """The decoding in words, for the user."""
        scale = f"stored * {self.scale:g} + {self.offset:g}" if self.is_scaled else ""
        fills = [f"{fill:g}" if isinstance(fill, float) else str(fill) for fill in self.fills.tolist()[:4]]
        ranges = [f"below {self.low:g}"] * bool(self.low > -np.inf) + [f"above {self.high:g}"] * bool(
            self.high < np.inf
        )
        missing = f"missing where {' or '.join((*fills, *ranges))}" if fills or ranges else ""
        sign = "" if scale or missing else "unsigned" if self.stored.kind == "u" else "signed"
        names = ", ".join(self.names) or "_Unsigned"
        return f"values are {' and '.join(filter(None, (scale, missing, sign)))} ({names})"


def as_exact(values: NDArray[Any], dtype: np.dtype[Any], where: str) -> NDArray[Any]:
    """Convert `values` to `dtype`, which must represent each of them.

    Raises
    ------
    DataError
        For 64-bit integers beyond 2**53 that would become floats.
    """
    if dtype.kind == "f":
        require_exact(values, where)
    return values.astype(dtype, copy=False)


def require_exact(values: NDArray[Any], where: str) -> None:
    """Refuse 64-bit integers beyond 2**53: as floats, which all is computed with, different ones would be the same.

    Raises
    ------
    DataError
        If there are such.
    """
    if values.dtype.kind in "iu" and values.dtype.itemsize == 8 and values.size:
        largest = max(int(values.max()), -int(values.min()))
        if largest > _EXACT_LIMIT:
            raise DataError(
                f"{where}: the integer {largest} has no exact float64, at most 2**53 is allowed;"
                " subtract an offset or drop the column"
            )


def _equals_any(values: NDArray[Any], fills: NDArray[Any]) -> NDArray[np.bool_]:
    equal = np.zeros(values.shape, np.bool_)
    for fill in fills:
        # In the coarser of two floats: -999.9 as float32 is another number than as float64.
        narrow = fills.dtype.kind == values.dtype.kind == "f" and fills.dtype.itemsize < values.dtype.itemsize
        with np.errstate(over="ignore"):
            equal |= (values.astype(fills.dtype) if narrow else values) == fill
    return equal
