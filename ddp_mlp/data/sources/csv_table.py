"""The cells of a CSV file: columns that are numbers or text throughout, block by block."""

from __future__ import annotations

import csv
import io
import zlib
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, TextIO

from ddp_mlp.data.sources.csv_columns import ColumnLearner, is_number
from ddp_mlp.data.sources.packed import open_unpacked
from ddp_mlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import Self

    from ddp_mlp.data.sources.csv_columns import ColumnFacts

_DELIMITERS = ",;\t|"
# Few enough that the cells of a block stay in the cache while its columns are converted.
_BLOCK_ROWS = 512
_BLOCK_CELLS = 2**18
#: Characters of a row: a million columns, and no file without an end of line.
_MOST_OF_A_ROW = 2**24
_SHOWN = 60


class _Lines:
    """The lines of a text; those of one row may not become more than a row can mean.

    Attributes
    ----------
    row : int
        Characters since the last row; set to 0 by whoever has got one.
    """

    def __init__(self, path: Path, file: TextIO) -> None:
        self.row = 0
        self._path = path
        self._file = file
        self._number = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = self._file.readline(_MOST_OF_A_ROW + 1)
        self._number += 1
        self.row += len(line)
        if self.row > _MOST_OF_A_ROW:
            raise DataError(
                f"{self._path}: line {self._number}: a row of more than {_MOST_OF_A_ROW} characters; is it a table, and"
                " are all quotes closed?"
            )
        if not line:
            raise StopIteration
        return line


@dataclass(frozen=True)
class Block:
    """Some rows of the file: the line of each, and the cells of each used column."""

    lines: list[int]
    cells: dict[str, list[str]]


@dataclass(frozen=True)
class CsvTable:
    """A text file with one header line.

    Attributes
    ----------
    path : Path
        Plain or packed with gzip, UTF-8.
    delimiter : str
        One character.
    header : tuple of str
        Names of all columns; ``column 1`` for the first where it has none.
    unnamed : frozenset of str
        Which of them have no name in the file.
    """

    path: Path
    delimiter: str
    header: tuple[str, ...]
    unnamed: frozenset[str]

    def scan(self, limits: Mapping[str, int]) -> tuple[int, dict[str, ColumnFacts]]:
        """Read the file once to learn the number of rows and what each column is.

        Parameters
        ----------
        limits : dict of str to int
            The columns to look at, and how many different values to remember of each.

        Raises
        ------
        DataError
            If a row has another length than the header, a cell is empty or of another kind
            than the cells above it, or there are no rows.
        """
        learners = {name: ColumnLearner(self.path, name, limit) for name, limit in limits.items()}
        n_rows = 0
        for block in self.blocks(tuple(limits)):
            n_rows += len(block.lines)
            for name, learner in learners.items():
                learner.learn(block.cells[name], block.lines)
        if n_rows == 0:
            raise DataError(f"{self.path}: a header but no rows; at least one row of values is needed")
        return n_rows, {name: learner.facts() for name, learner in learners.items()}

    def blocks(self, names: tuple[str, ...]) -> Iterator[Block]:
        """Yield the rows, a block at a time, with the cells of the named columns.

        Raises
        ------
        DataError
            If a row has another length than the header, or the file is damaged.
        """
        places = {name: place for place, name in enumerate(self.header)}
        index = [(name, places[name]) for name in names]
        block_rows = max(1, min(_BLOCK_ROWS, _BLOCK_CELLS // len(self.header)))
        lines: list[int] = []
        rows: list[list[str]] = []
        with _plain_errors(self.path), _open_text(self.path) as file:
            text = _Lines(self.path, file)
            reader = csv.reader(text, delimiter=self.delimiter, strict=True)
            next(reader)
            for row in reader:
                text.row = 0
                if len(row) != len(self.header):
                    if not row:
                        continue
                    raise self._ragged(reader.line_num, len(row))
                lines.append(reader.line_num)
                rows.append(row)
                if len(rows) == block_rows:
                    yield Block(lines, {name: [r[i] for r in rows] for name, i in index})
                    lines, rows = [], []
        if rows:
            yield Block(lines, {name: [r[i] for r in rows] for name, i in index})

    def _ragged(self, line: int, n_cells: int) -> DataError:
        return DataError(
            f"{self.path}: line {line} has {n_cells} cells, the header has {len(self.header)}; every line"
            " needs one cell per column"
        )


def open_table(path: Path) -> CsvTable:
    """Read the header of a text file; its most frequent of , ; tab and | separates the cells.

    Raises
    ------
    DataError
        If there is no header, or a name is there twice.
    """
    with _plain_errors(path), _open_text(path) as file:
        text = _Lines(path, file)
        first = next(text, "")
        delimiter = max(_DELIMITERS, key=first.count)
        cells = next(csv.reader(chain([first], text), delimiter=delimiter, strict=True), [])
    header = tuple(cell.strip() or f"column {i + 1}" for i, cell in enumerate(cells))
    if len(header) < 2:
        raise DataError(f"{path}: the first line has {len(header)} column; a header with two or more is needed")
    if all(is_number(cell) for cell in cells):
        raise DataError(f"{path}: line 1 holds numbers only; add a line with the names of the columns before it")
    if doubles := [name for name, times in Counter(header).items() if times > 1]:
        raise DataError(f"{path}: the column name {doubles[0][:_SHOWN]!r} appears twice in line 1; rename one")
    unnamed = frozenset(f"column {i + 1}" for i, cell in enumerate(cells) if not cell.strip())
    return CsvTable(path, delimiter, header, unnamed)


def _open_text(path: Path) -> TextIO:
    # The signature of UTF-8 that spreadsheets put first is skipped by "utf-8-sig".
    return io.TextIOWrapper(open_unpacked(path), encoding="utf-8-sig", newline="")


@contextmanager
def _plain_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text ({error.reason}); save it as UTF-8") from error
    except csv.Error as error:
        raise DataError(f"{path}: not a readable table ({error}); check quotes and separators") from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error}); the file is damaged, fetch it again") from error
