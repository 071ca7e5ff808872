"""Text files of separated cells, read by Arrow block by block.

Arrow takes quotes as they come, so those that look odd are read once by the strict reader of the
standard library, which also finds the lines that messages name.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from ddp_mlp.data.sources.tables.cells import MISSING
from ddp_mlp.data.sources.tables.table import Table, column_names
from ddp_mlp.data.sources.tables.text.dialect import find_dialect
from ddp_mlp.data.sources.tables.text.plain_text import MOST_OF_A_LINE, ByteStream, PlainText, look_at
from ddp_mlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from ddp_mlp.data.sources.tables.text.dialect import Dialect

#: Of a block of rows, but at least so many rows up to twice the longest line that is allowed.
_BLOCK_BYTES, _FEWEST_ROWS = 2**22, 64
#: Of the beginning, which tells how a file is written.
_SAMPLE_CHARS, _SAMPLE_LINES, _FEWEST_LINES = 2**18, 1000, 3
_MOST_LINES_NAMED = 3
#: Cells that hold nothing, as they are mostly written.
_MISSING = list(dict.fromkeys(written for word in MISSING for written in (word, word.upper(), word.title(), "NaN")))


@dataclass(frozen=True)
class _Delimited:
    """A text and how it is written."""

    text: PlainText
    dialect: Dialect
    block_bytes: int

    @property
    def path(self) -> Path:
        return self.text.path

    def blocks(self, positions: Sequence[int], numbers: Collection[int] = ()) -> Iterator[list[Any]]:
        """Yield the cells of the columns at `positions`, block by block; see `table.Blocks`."""
        import pyarrow as pa

        ragged: list[Any] = []
        n_rows = 0
        try:
            for batch in self._batches(positions, numbers, ragged):
                n_rows += batch.num_rows
                yield batch.columns
        except pa.ArrowInvalid as error:
            if not numbers or "conversion error" not in str(error):
                raise self._wrong(ragged, str(error)) from error
        else:
            return
        # A cell that is none of the numbers Arrow reads, such as +5: from there on all is text.
        for block in self.blocks(positions):
            n, n_rows = n_rows, max(0, n_rows - len(block[0]))
            if n < len(block[0]):
                yield [cells.slice(n) for cells in block]

    def _batches(self, positions: Sequence[int], numbers: Collection[int], ragged: list[Any]) -> Iterator[Any]:
        """Yield the batches that Arrow reads; a row of another width is put into `ragged`."""
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        def take_note(row: Any) -> str:
            ragged.append(row)
            return "error"

        wanted = [str(i) for i in positions]
        types = dict.fromkeys(wanted, pa.string()) | {str(i): pa.float64() for i in numbers}
        # Arrow reads fastest from the file itself.
        direct = self.text.is_as_stored and not self.dialect.comments and self.dialect.separator != " "
        source = pa.OSFile(str(self.path)) if direct else io.BufferedReader(ByteStream(self._chunks()))
        try:
            reader = arrow_csv.open_csv(
                source if direct else pa.PythonFile(source, "r"),
                arrow_csv.ReadOptions(
                    column_names=[str(i) for i in range(len(self.dialect.names))],
                    block_size=self.block_bytes,
                    skip_rows=self.dialect.skip if direct else 0,
                ),
                arrow_csv.ParseOptions(
                    delimiter=self._separator,
                    quote_char=self.dialect.quote,
                    escape_char=self.dialect.escape or False,
                    newlines_in_values=self._has_long_cells,
                    invalid_row_handler=take_note,
                ),
                arrow_csv.ConvertOptions(
                    column_types=types,
                    include_columns=wanted,
                    null_values=_MISSING,
                    strings_can_be_null=False,
                ),
            )
        except pa.ArrowInvalid as error:
            if "Empty CSV file" in str(error):
                return
            raise
        with reader:
            yield from (batch for batch in reader if batch.num_rows)

    @property
    def _has_long_cells(self) -> bool:
        """Whether a cell may go on in the next line; where quotes look as they should, each line has both of a pair."""
        return self.text.has_odd_quotes or self.dialect.quote != '"' or self.dialect.escape is not None

    def _chunks(self) -> Iterator[bytes]:
        comments = (self._separator.encode(), len(self.dialect.names) - 1) if self.dialect.comments else None
        return self.text.chunks(self.dialect.skip, comments=comments, blanks=self.dialect.separator == " ")

    @property
    def _separator(self) -> str:
        return "\t" if self.dialect.separator == " " else self.dialect.separator

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the number of the last line and the cells of each row, slowly and strictly.

        Raises
        ------
        DataError
            If quotes do not fit.
        """
        file = io.TextIOWrapper(io.BufferedReader(ByteStream(self._chunks())), "utf-8", newline="")
        reader = csv.reader(
            file,
            delimiter=self._separator,
            quotechar=self.dialect.quote,
            escapechar=self.dialect.escape,
            strict=True,
        )
        line = self.dialect.skip
        try:
            for row in reader:
                line = self.dialect.skip + reader.line_num
                if row:
                    yield line, row
        except csv.Error as error:
            words = "a quote that is opened here is never closed" if "end of data" in str(error) else str(error)
            raise DataError(
                f"{self.path}: line {line + 1}: not a readable table ({words}); check quotes and separators"
            ) from error

    def locate(self, rows: Sequence[int]) -> list[str]:
        """Return the lines of rows, which are ascending."""
        wanted, lines = set(rows), {}
        for number, (line, _) in enumerate(islice(self.rows(), max(rows) + 1)):
            if number in wanted:
                lines[number] = line
        return [f"line {lines[row]}" if row in lines else f"row {row + 1}" for row in rows]

    def _wrong(self, ragged: list[Any], reason: str) -> DataError:
        if not ragged:
            if "straddling" in reason or "block" in reason:
                for _ in self.rows():  # names the line where a quote is not closed
                    pass
                reason = f"a row of more than {self.block_bytes} characters; is it a table, and are all quotes closed?"
            return DataError(f"{self.path}: not a readable table ({reason})")
        width = len(self.dialect.names)
        wrong = ((line, len(row)) for line, row in self.rows() if len(row) != width)
        found = list(islice(wrong, _MOST_LINES_NAMED + 1))
        if not found:
            return DataError(f"{self.path}: a row of {ragged[0].actual_columns} cells among {width} columns")
        others = ", ".join(f"line {line} {n}" for line, n in found[1:_MOST_LINES_NAMED])
        also = f" ({others}{', ...' if len(found) > _MOST_LINES_NAMED else ''})" if others else ""
        quotes = "; cells that hold blanks need quotes" if self.dialect.separator == " " else ""
        return DataError(
            f"{self.path}: line {found[0][0]} has {found[0][1]} cells, the header has {width}{also}; every line needs"
            f" one cell per column{quotes}"
        )


def read_delimited(path: Path, *, separator: str | None, has_header: bool | None, encoding: str | None) -> Table:
    """Open a text file of separated cells.

    Parameters
    ----------
    path : Path
        Plain or packed.
    separator, has_header, encoding
        Stated by the user; None finds them.

    Raises
    ------
    UsageError
        If a separator or an encoding is none.
    DataError
        If the text is no table, or its quotes do not fit.
    """
    text = look_at(path, encoding)
    sample, longest = _sample(text)
    dialect = find_dialect(path, sample, separator, has_header)
    names, unnamed = column_names(path, dialect.names, f"line {max(1, dialect.skip)}")
    # Each column of a block costs its own calls, so wide tables need long blocks.
    block_bytes = min(2 * MOST_OF_A_LINE, max(_BLOCK_BYTES, _FEWEST_ROWS * longest))
    table = _Delimited(text, dialect, block_bytes)
    if text.has_odd_quotes and dialect.quote == '"':
        for _ in table.rows():
            pass
    notes = dialect.notes
    if text.is_guess:
        notes = (f"not UTF-8, so read as {text.encoding}; --encoding states another", *notes)
    return Table(path, f"CSV {path.name}", names, unnamed, table.blocks, table.locate, notes, is_slow=True)


def _sample(text: PlainText) -> tuple[str, int]:
    """Return the first lines, whole, and the length of the longest."""
    file = io.TextIOWrapper(io.BufferedReader(ByteStream(text.chunks())), "utf-8", newline="")
    lines: list[str] = []
    n_chars = 0
    while len(lines) < _SAMPLE_LINES and (n_chars < _SAMPLE_CHARS or len(lines) < _FEWEST_LINES):
        line = file.readline(MOST_OF_A_LINE)
        if not line:
            break
        lines.append(line)
        n_chars += len(line)
    return "".join(lines), max(map(len, lines), default=0)
