"""The text of a file as a stream of UTF-8, whatever it is packed or encoded as.

The whole text is looked at once before anything is made of it (`look_at`), so that what no table
can hold is refused with its line. Lines are never removed, only emptied, so that the number of a
line stays what an editor shows.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ddp_mlp.data.sources.packed import is_packed
from ddp_mlp.data.sources.tables.text.decoding import decoded, marked_encoding, stored
from ddp_mlp.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from typing_extensions import Buffer

#: Bytes of a line: a million columns, and no file without an end of line.
MOST_OF_A_LINE = 2**24
_RUN_OF_BLANKS = re.compile(rb'("(?:[^"]|"")*")|[ \t]+')


@dataclass(frozen=True)
class PlainText:
    """A file that was looked at.

    Attributes
    ----------
    path : Path
        Plain or packed.
    encoding : str
        Python's name of the encoding.
    is_guess : bool
        Whether nothing but the bytes themselves speaks for this encoding.
    has_odd_quotes : bool
        Whether a ``"`` stands between two ordinary characters, or a line has an odd number of them.
    is_as_stored : bool
        Whether the bytes of the file are this text, so that they can be read from it directly.
    """

    path: Path
    encoding: str
    is_guess: bool
    has_odd_quotes: bool
    is_as_stored: bool

    def chunks(
        self, skip: int = 0, *, comments: tuple[bytes, int] | None = None, blanks: bool = False
    ) -> Iterator[bytes]:
        """Yield the text from line `skip` on, counted from 0, as UTF-8 in pieces of any length.

        Parameters
        ----------
        skip : int
            Lines to leave out.
        comments : tuple of (bytes, int) or None
            Empty the lines that begin with ``#`` unless they have that many of these separators.
        blanks : bool
            Make each run of blanks outside quotes a tab, and remove those at the ends of lines.
        """
        chunks = _skipped(decoded(self.path, self.encoding), skip)
        return _changed(chunks, comments, blanks) if comments or blanks else chunks


class ByteStream(io.RawIOBase):
    """A file made of an iterator of bytes."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        """Fill a buffer with what comes next."""
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        view = memoryview(buffer).cast("B")
        n = min(len(view), len(self._rest))
        view[:n] = self._rest[:n]
        self._rest = self._rest[n:]
        return n


def look_at(path: Path, encoding: str | None = None) -> PlainText:
    """Read a text once: find its encoding, and refuse what no table can hold.

    Raises
    ------
    UsageError
        If there is no such encoding.
    DataError
        If the text is not of the encoding, holds NUL bytes or endless lines, or is damaged.
    """
    if encoding is not None:
        _require_encoding(encoding)
    marked = encoding or marked_encoding(path)
    for candidate in (marked,) if marked else ("utf-8", "cp1252", "latin-1"):
        try:
            is_as_stored = candidate in {"utf-8", "utf-8-sig"} and not is_packed(path)
            chunks = stored(path, candidate) if is_as_stored else decoded(path, candidate)
            odd, has_returns = _check(path, chunks)
        except UnicodeDecodeError as error:
            if marked or candidate == "latin-1":
                raise DataError(
                    f"{path}: not {candidate} text ({error.reason} at byte {error.start}); name the right one"
                    " with --encoding, or save it as UTF-8"
                ) from error
        else:
            is_as_stored = is_as_stored and not has_returns
            return PlainText(path, candidate, not marked and candidate != "utf-8", odd, is_as_stored)
    raise AssertionError("latin-1 decodes every byte")


def _require_encoding(encoding: str) -> None:
    try:
        "a".encode(encoding)
    except (LookupError, UnicodeError) as error:
        raise UsageError(f"--encoding {encoding}: no such encoding; utf-8, latin-1, cp1252 are some") from error


def _check(path: Path, chunks: Iterator[bytes]) -> tuple[bool, bool]:
    """Refuse NUL bytes and endless lines; return whether quotes look odd, and whether there are carriage returns."""
    n_lines = length = n_open = 0
    odd = has_returns = False
    tail = b"\n"
    for chunk in chunks:
        if b"\0" in chunk:
            line = n_lines + chunk[: chunk.index(b"\0")].count(b"\n") + 1
            raise DataError(f"{path}: line {line}: a NUL byte; is it a text? If its encoding is another, --encoding")
        has_returns = has_returns or b"\r" in chunk
        ends = chunk.count(b"\n")
        length = len(chunk) - chunk.rfind(b"\n") if ends else length + len(chunk)
        if length > MOST_OF_A_LINE:
            raise DataError(
                f"{path}: line {n_lines + ends + 1}: a row of more than {MOST_OF_A_LINE} characters; is it a table?"
            )
        n_lines += ends
        if not odd and (n_open or b'"' in chunk):
            odd = _ODD_QUOTE.search(tail + chunk) is not None
            n_open, has_odd_line = _quotes_of_lines(chunk, n_open)
            odd = odd or has_odd_line
        tail = chunk[-2:]
    return odd or n_open % 2 == 1, has_returns


def _quotes_of_lines(chunk: bytes, n_open: int) -> tuple[int, bool]:
    """Return the quotes after the last end of a line, and whether a line has an odd number; `n_open` came before."""
    content = np.frombuffer(chunk, np.uint8)
    quotes = np.flatnonzero(content == ord('"'))
    until = np.searchsorted(quotes, np.flatnonzero(content == ord("\n"))) + n_open
    if not until.size:
        return n_open + len(quotes), False
    return n_open + len(quotes) - int(until[-1]), bool((np.diff(until, prepend=0) % 2).any())


# A closing quote that something follows, or an opening one that something precedes.
_ODD_QUOTE = re.compile(rb'[^",;|\t\r\n =:\\]"[^",;|\t\r\n :]')


def _skipped(chunks: Iterator[bytes], skip: int) -> Iterator[bytes]:
    for chunk in chunks:
        rest = chunk
        while skip and rest:
            end = rest.find(b"\n")
            if end < 0:
                rest = b""
                break
            rest = rest[end + 1 :]
            skip -= 1
        if rest:
            yield rest


def _changed(chunks: Iterator[bytes], comments: tuple[bytes, int] | None, blanks: bool) -> Iterator[bytes]:
    """Yield whole lines, changed."""
    rest = b""
    for chunk in chunks:
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        yield b"".join(_changed_line(line, comments, blanks) + b"\n" for line in lines)
    if rest:
        yield _changed_line(rest, comments, blanks)


def _changed_line(line: bytes, comments: tuple[bytes, int] | None, blanks: bool) -> bytes:
    is_comment = comments is not None and line.lstrip().startswith(b"#")
    line = _RUN_OF_BLANKS.sub(lambda m: m[1] or b"\t", line.strip()) if blanks else line
    return b"" if is_comment and comments is not None and line.count(comments[0]) != comments[1] else line
