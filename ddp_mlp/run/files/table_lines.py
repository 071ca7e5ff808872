"""The lines of a table of one row an epoch, of which nothing is believed that is not a whole row."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ddp_mlp.checkpoint.history import Cells, extended
from ddp_mlp.plain_files import open_plain

#: Bytes of a line that is still read whole: a row of 40,000 columns.
_MOST_LINE = 2**20
#: Pieces of this length after which a line has no end: a hole may be long, and takes no room on disk.
_MOST_PIECES = 64
_CELL = re.compile(r"[0-9A-Za-z+.-]{0,64}")
#: The rest of a row; after a power cut the end may be zeros.
_CUT = re.compile(rb"[0-9A-Za-z+.,_ \r-]*\0*")


class Line(NamedTuple):
    """A line of a file; its cells if it is a whole one."""

    content: bytes
    cells: tuple[str, ...]


def lines_of(file: BinaryIO) -> Iterator[Line]:
    """Yield the lines of a file, long ones in pieces, up to one without end."""
    n_pieces = 0
    while n_pieces < _MOST_PIECES and (content := file.readline(_MOST_LINE)):
        ends = content.endswith(b"\n")
        cells = content.rstrip(b"\r\n").decode("latin-1").split(",") if ends and n_pieces == 0 else ()
        yield Line(content, tuple(cells))
        n_pieces = 0 if ends else n_pieces + 1


def _epoch_of(line: Line, n_columns: int) -> int:
    """Return the epoch of a row; 0 for what is none."""
    cells = line.cells
    if len(cells) != n_columns or not all(map(_CELL.fullmatch, cells)) or not cells[0].isdigit():
        return 0
    return int(cells[0])


def row_of(columns: Sequence[str], line: Line) -> Cells:
    """Return a line with as many cells as there are columns as a row."""
    return dict(zip(columns, line.cells, strict=True))


def read_table(path: Path) -> Iterator[Cells]:
    """Yield the whole rows of a table in the order of their epochs, and pass over all else.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with open_plain(path) as file:
        lines = lines_of(file)
        columns = next(lines, Line(b"", ())).cells
        last = 0
        for line in lines:
            if (epoch := _epoch_of(line, len(columns))) > last:
                last = epoch
                yield row_of(columns, line)


def _is_cut(line: Line) -> bool:
    """Tell whether the last line of a file may be a row that was cut short."""
    content = line.content
    return len(content) < _MOST_LINE and not content.endswith(b"\n") and _CUT.fullmatch(content) is not None


@dataclass
class Survey:
    """The state of a file as the table of a run that has done some epochs.

    Attributes
    ----------
    good_bytes : int
        Length of the header and the rows that follow each other, of later epochs too.
    end, last, n_rows, sha256
        Of the rows of the epochs that are done: the bytes up to the end of the last one, its
        epoch, how many there are, and their hash.
    is_clean : bool
        Nothing is in the file beside them but a last row that was cut short.
    has_header : bool
        The header is that of the table.
    """

    good_bytes: int = 0
    end: int = 0
    last: int = 0
    n_rows: int = 0
    sha256: str = ""
    is_clean: bool = True
    has_header: bool = False


def good_lines(file: BinaryIO, columns: Sequence[str], epoch: int) -> Iterator[tuple[int, Line]]:
    """Yield the header as epoch 0, and the rows with their epochs; -1 for what is none of either.

    Rows may be missing among the first `epoch` ones; later ones follow each other.
    """
    newest = 0
    for n, line in enumerate(lines_of(file)):
        if n == 0:
            yield (0 if line.cells == tuple(columns) else -1), line
            continue
        number = _epoch_of(line, len(columns))
        is_next = newest < number <= max(newest, epoch) + 1
        newest = number if is_next else newest
        yield (number if is_next else -1), line


def survey(file: BinaryIO, columns: Sequence[str], epoch: int) -> Survey:
    """Look at a file as the table of a run that has done `epoch` epochs."""
    found, header = Survey(), ",".join(columns).encode()
    for number, line in good_lines(file, columns, epoch):
        if number < 0:
            found.is_clean = _is_cut(line) and (found.has_header or header.startswith(line.content.rstrip(b"\r\0")))
            if not found.is_clean:
                break
            continue
        found.has_header = True
        found.good_bytes += len(line.content)
        if number <= epoch:
            found.end, found.last = found.good_bytes, number
        if 0 < number <= epoch:
            found.n_rows += 1
            found.sha256 = extended(found.sha256, row_of(columns, line))
    return found
