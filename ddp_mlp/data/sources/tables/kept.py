"""The cells of a text kept from their first reading, so that a large one is parsed once.

They lie in a file without a name beside what is written, as Arrow has them in memory; it is gone with the process
whatever happens. Where there is no room for it, the text is read again.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, BinaryIO

from ddp_mlp.data.sources.tables.cells import are_numbers

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from ddp_mlp.data.sources.tables.table import Blocks, Table

#: Of the size of the text: room for the cells, for the data set, and for others.
_TIMES_ITS_SIZE = 4


@dataclass(frozen=True)
class _Record:
    """Cells in a file.

    Attributes
    ----------
    positions : tuple of int
        Their columns.
    numbers : frozenset of int
        Those of which some are numbers, so that their text is lost.
    """

    file: BinaryIO
    positions: tuple[int, ...]
    numbers: frozenset[int]

    def serves(self, positions: Sequence[int], numbers: Collection[int]) -> bool:
        return set(positions) <= set(self.positions) and self.numbers & set(positions) <= set(numbers)

    def blocks(self, positions: Sequence[int]) -> Iterator[list[Any]]:
        import pyarrow as pa

        places = [self.positions.index(position) for position in positions]
        start = 0
        while True:
            # Each block has types of its own, and other readers may have moved the file meanwhile.
            self.file.seek(start)
            if not self.file.peek(1):  # type: ignore[attr-defined]
                return
            with pa.ipc.open_stream(pa.PythonFile(self.file, "r")) as stream:
                batch = stream.read_next_batch()
                list(stream)
            start = self.file.tell()
            yield [batch.column(place) for place in places]


def keeping(table: Table, folder: Path | None) -> Table:
    """Return a table whose cells are kept in a file of `folder` from the first reading that comes to its end.

    Without a folder, or room in it, or where reading it again costs less, the table is returned as it is.
    """
    if folder is None or not table.is_slow:
        return table
    if shutil.disk_usage(folder).free < _TIMES_ITS_SIZE * table.path.stat().st_size:
        return table
    return replace(table, blocks=_Keeper(table.blocks, folder))


class _Keeper:
    """Reads cells, and keeps them."""

    def __init__(self, blocks: Blocks, folder: Path) -> None:
        self._blocks = blocks
        self._folder = folder
        self._record: _Record | None = None
        self._is_full = False

    def __call__(self, positions: Sequence[int], numbers: Collection[int] = (), /) -> Iterator[list[Any]]:
        """Yield cells, from the record where it has them."""
        if self._record is not None and self._record.serves(positions, numbers):
            return self._record.blocks(positions)
        if self._record is not None or self._is_full or not positions:
            return self._blocks(positions, numbers)
        return self._recorded(positions, numbers)

    def _recorded(self, positions: Sequence[int], numbers: Collection[int]) -> Iterator[list[Any]]:
        file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed with this object
        weakref.finalize(self, file.close)
        lost: set[int] = set()
        for block in self._blocks(positions, numbers):
            if not self._is_full:
                lost |= {place for place, cells in zip(positions, block, strict=True) if are_numbers(cells)}
                self._keep(file, block)
            yield block
        if not self._is_full:
            file.flush()
            self._record = _Record(file, tuple(positions), frozenset(lost))

    def _keep(self, file: Any, block: list[Any]) -> None:
        try:
            _written(file, block)
        except OSError:  # no room after all
            self._is_full = True
            file.close()


def _written(file: Any, block: list[Any]) -> None:
    import pyarrow as pa

    batch = pa.record_batch(block, [str(i) for i in range(len(block))])
    with pa.ipc.new_stream(pa.PythonFile(file, "w"), batch.schema) as stream:
        stream.write_batch(batch)
