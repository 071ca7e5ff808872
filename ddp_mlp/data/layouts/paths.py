"""How a user names an array, a field, or some of the columns: ``PATH``, ``PATH:FIELD``, ``PATH[3]``, ``PATH[3:7]``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ddp_mlp.errors import DataError

_PART = re.compile(r"(?P<path>.+)\[(?P<first>-?\d*)(?P<colon>:?)(?P<stop>-?\d*)\]", re.DOTALL)


@dataclass(frozen=True)
class Named:
    """An array that was named.

    Attributes
    ----------
    path : str
    field : str or None
    first, stop : int or None
        Columns ``first <= i < stop``; negative ones count from the end, None is an end.
    is_one : bool
        Whether one column was named, `first`.
    """

    path: str
    field: str | None = None
    first: int | None = None
    stop: int | None = None
    is_one: bool = False

    def part(self, width: int, where: str) -> tuple[int, int] | None:
        """Return from where to where its columns are, of `width`; None for all of them.

        Raises
        ------
        DataError
            If there are no such columns.
        """
        if self.first is None and self.stop is None:
            return None
        first, stop = (self.first or 0), (width if self.stop is None else self.stop)
        first += width if first < 0 else 0
        stop = first + 1 if self.is_one else stop + (width if stop < 0 else 0)
        if not 0 <= first < stop <= width:
            ends = ["" if end is None else str(end) for end in (self.first, self.stop)]
            asked = ends[0] if self.is_one else ":".join(ends)
            raise DataError(
                f"{where}: no columns [{asked}], it has {width}: [0] to [{width - 1}]; [3:7] are those from 3 to 6"
            )
        return first, stop


def parse_path(text: str) -> Named:
    """Take apart what a user has written.

    Examples
    --------
    >>> parse_path("table:flux[-1]")
    Named(path='table', field='flux', first=-1, stop=None, is_one=True)
    >>> parse_path("X[3:7]").part(9, "X")
    (3, 7)
    """
    found = _PART.fullmatch(text)
    if found is None or (not found["colon"] and (found["stop"] or not found["first"].lstrip("-"))):
        path, _, field = text.partition(":")
        return Named(path, field or None)
    path, _, field = found["path"].partition(":")
    first, stop = (int(found[end]) if found[end].lstrip("-") else None for end in ("first", "stop"))
    if found["colon"] and first is None and stop is None:
        first = 0
    return Named(path, field or None, first, stop, is_one=not found["colon"])
