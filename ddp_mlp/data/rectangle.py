"""The interface of a matrix whose rows are read a block at a time, from a file or from memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Rectangle(Protocol):
    """Rows of numbers of one native dtype."""

    @property
    def where(self) -> str:
        """``FILE:/path``, or the name of what is in memory, for messages."""

    @property
    def n_rows(self) -> int:
        """Number of samples."""

    @property
    def width(self) -> int:
        """Number of columns."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the rows that are read, native byte order."""

    @property
    def is_whole(self) -> bool:
        """Whether all columns are stored as integers or booleans that mean themselves."""

    @property
    def is_scaled(self) -> bool:
        """Whether a column is a packed quantity."""

    @property
    def chunk_rows(self) -> int:
        """Rows that must be unpacked together, 0 where each can be read by itself."""

    def will_read(self, start: int, stop: int) -> None:
        """Let rows ``start <= row < stop`` be fetched while other work goes on; a hint, no more."""

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Read rows ``start <= row < stop``: shape (stop - start, width), C-contiguous."""
