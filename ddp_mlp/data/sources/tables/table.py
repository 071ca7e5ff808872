"""The one form that every format of tables is turned into: named columns and blocks of cells as text."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ddp_mlp.data.sources.column import PLAIN
from ddp_mlp.data.sources.tables.cells import BLANKS, are_numbers, numbers_of
from ddp_mlp.data.sources.tables.words import listed, shown
from ddp_mlp.errors import DataError, UsageError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray


#: Each column costs memory of its own, so that a million would take gigabytes.
MOST_COLUMNS = 200_000


class Blocks(Protocol):
    """Reads the cells of columns from the first row on."""

    def __call__(self, positions: Sequence[int], numbers: Collection[int] = (), /) -> Iterator[list[Any]]:
        """Yield the next rows: one `pyarrow.Array` for each of `positions`, all of one length.

        They hold strings, and a null is a missing cell. Of positions that are also among `numbers` they may be float64
        instead, with a null or NaN for a missing cell, as long as the cells are plain numbers: a reader does so where
        that is faster.
        """
        ...


@dataclass(frozen=True)
class Marks:
    """Marks of missing values that a user has named, such as ``.`` or ``-999``: cells that hold one hold nothing.

    Attributes
    ----------
    texts : tuple of str
        As the user has named them, without blanks around. One that is a number stands for the number, however cells
        write it: readers give numbers without their text.
    seen : set of str
        Those that were in a cell so far.
    """

    texts: tuple[str, ...] = ()
    seen: set[str] = field(default_factory=set)

    def cut(self, cells: Any) -> Any:
        """Return cells with null for those that hold a mark.

        Examples
        --------
        >>> import pyarrow as pa
        >>> Marks((".", "-999")).cut(pa.array([" . ", "-999.0", "1", "x."])).to_pylist()
        [None, None, '1', 'x.']
        """
        import pyarrow as pa
        from pyarrow import compute as pc

        if not self.texts:
            return cells
        trimmed = None if are_numbers(cells) else pc.utf8_trim(cells, BLANKS)
        # One reading of all cells as numbers serves every mark.
        numbers = cells.to_numpy(zero_copy_only=False) if trimmed is None else numbers_of(trimmed, PLAIN)
        marked = np.zeros(len(cells), np.bool_)
        for text, number in zip(self.texts, self._numbers(), strict=True):
            found = numbers == number
            if trimmed is not None:
                found |= _equal(trimmed, text)
            if found.any():
                self.seen.add(text)
            marked |= found
        return pc.if_else(pa.array(marked), pa.scalar(None, cells.type), cells) if marked.any() else cells

    def _numbers(self) -> NDArray[np.float64]:
        """Return the number of each mark, NaN of those that are none, which equals nothing."""
        import pyarrow as pa

        return numbers_of(pa.array(self.texts, pa.string()), PLAIN)

    def unseen(self) -> list[str]:
        """Return a warning where marks were named that no cell holds; else nothing."""
        absent = [shown(text) for text in self.texts if text not in self.seen]
        return [f"warning: no cell holds {listed(absent)}, which --na names"] if absent else []


def _equal(cells: Any, text: str) -> NDArray[np.bool_]:
    from pyarrow import compute as pc

    found: NDArray[np.bool_] = pc.fill_null(pc.equal(cells, text), False).to_numpy(zero_copy_only=False)
    return found


@dataclass(frozen=True)
class Table:
    """Cells that can be read once more each time they are asked for.

    Attributes
    ----------
    path : Path
        The file, or the first of several, for messages.
    source : str
        Format and name, for the data set.
    names : tuple of str
        One name a column, all different; ``column 3`` where the file has none.
    unnamed : frozenset of str
        Which of them have no name in the file.
    blocks : Blocks
        The reader of cells.
    locate : callable
        Takes positions of rows, ascending, and returns in words where each is: ``line 5``.
    notes : tuple of str
        What was decided when the file was read.
    categories : dict of str to tuple of str
        Categories that the file itself declares, in order.
    is_slow : bool
        Whether cells have to be made of text, so that it is better to keep them than to read them again.
    marks : Marks
        The marks of missing values.
    """

    path: Path
    source: str
    names: tuple[str, ...]
    unnamed: frozenset[str]
    blocks: Blocks
    locate: Callable[[Sequence[int]], list[str]]
    notes: tuple[str, ...] = ()
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    is_slow: bool = False
    marks: Marks = field(default_factory=Marks)

    def cells(self, positions: Sequence[int], numbers: Collection[int] = ()) -> Iterator[list[Any]]:
        """Yield blocks of cells as `blocks` does, with a null for those that hold a mark."""
        return ([self.marks.cut(cells) for cells in block] for block in self.blocks(positions, numbers))

    def positions(self, names: Sequence[str]) -> list[int]:
        """Return where columns are."""
        places = {name: place for place, name in enumerate(self.names)}
        return [places[name] for name in names]

    def require(self, names: Sequence[str], option: str) -> None:
        """Check that columns are there.

        Raises
        ------
        UsageError
            If one is not, with the option that names it and the nearest name.
        """
        for name in names:
            if name not in self.names:
                close = nearest(name, self.names)
                hint = f"did you mean {close!r}?" if close else f"the columns are {listed(self.names)}"
                headless = next((f" ({note})" for note in self.notes if "--header" in note), "")
                raise UsageError(f"{self.path}: no column {name!r} for {option}; {hint}{headless}")

    def place(self, row: int) -> str:
        """Return in words where one row is."""
        return self.locate([row])[0]


def column_names(path: Path, cells: Sequence[str], where: str) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the names of all columns, and those that were made up because there was none.

    Raises
    ------
    DataError
        If a name is there twice, or there are more than `MOST_COLUMNS`.
    """
    if len(cells) > MOST_COLUMNS:
        raise DataError(
            f"{path}: {len(cells)} columns, at most {MOST_COLUMNS} are read as a table; is it lying on its side? HDF5"
            " has no such limit"
        )
    names = tuple(cell.strip() or f"column {i + 1}" for i, cell in enumerate(cells))
    if doubles := [name for name, times in Counter(names).items() if times > 1]:
        raise DataError(f"{path}: the column name {shown(doubles[0])} appears twice in {where}; rename one")
    return names, frozenset(f"column {i + 1}" for i, cell in enumerate(cells) if not cell.strip())


def joined(tables: Sequence[Table]) -> Table:
    """Return several tables as one, their columns matched by name.

    Raises
    ------
    DataError
        If they do not have the same columns.
    """
    first = tables[0]
    if len(tables) == 1:
        return first
    for table in tables[1:]:
        if differing := sorted(set(first.names) ^ set(table.names)):
            missing = [name for name in differing if name in first.names]
            found = f"no column {shown(missing[0])}" if missing else f"a column {shown(differing[0])} more"
            raise DataError(f"{table.path}: {found} than {first.path}; files that are one table have the same columns")
    sizes: dict[int, int] = {}

    def blocks(positions: Sequence[int], numbers: Collection[int] = ()) -> Iterator[list[Any]]:
        for number, table in enumerate(tables):
            own = table.positions([first.names[i] for i in positions])
            own_numbers = table.positions([first.names[i] for i in numbers])
            sizes[number] = 0
            for block in table.blocks(own, own_numbers):
                sizes[number] += len(block[0]) if block else 0
                yield block

    def locate(rows: Sequence[int]) -> list[str]:
        words = []
        for row in rows:
            number = 0
            # All rows before this one were read, so the sizes of the files before its own are known.
            while row >= sizes.get(number, row + 1):
                row -= sizes[number]
                number += 1
            words.append(f"{tables[number].path.name}, {tables[number].place(row)}")
        return words

    notes = tuple(f"{table.path.name}: {note}" for table in tables for note in table.notes)
    source = f"{first.source} and {len(tables) - 1} more"
    return replace(first, source=source, blocks=blocks, locate=locate, notes=notes)
