"""The content of a file as UTF-8, whatever it is packed or encoded as."""

from __future__ import annotations

import codecs
import io
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ddp_mlp.data.sources.packed import READ_ERRORS, open_unpacked
from ddp_mlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHUNK_BYTES = 2**20
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def marked_encoding(path: Path) -> str | None:
    """Return the encoding that the first bytes tell: by a mark, or by the zeros of UTF-16."""
    with plain_errors(path), open_unpacked(path) as file:
        start = file.read(256)
    for mark, name in _MARKS.items():
        if start.startswith(mark):
            return name
    halves = start[0::2], start[1::2]
    for half, other, name in ((halves[1], halves[0], "utf-16-le"), (halves[0], halves[1], "utf-16-be")):
        if len(half) > 1 and not any(half) and all(other):
            return name
    return None


def decoded(path: Path, encoding: str) -> Iterator[bytes]:
    """Yield the content as UTF-8 without a byte order mark, each end of a line one line feed."""
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)(), translate=True)
    done = 0
    with plain_errors(path), open_unpacked(path) as file:
        while chunk := file.read(_CHUNK_BYTES):
            done += len(chunk)
            with _placed(encoding, done):
                text = decoder.decode(chunk)
            if text:
                yield text.encode()
        with _placed(encoding, done):
            text = decoder.decode(b"", final=True)
        if text:
            yield text.encode()


def stored(path: Path, encoding: str) -> Iterator[bytes]:
    """Yield the content of a plain file of UTF-8 as it is, after seeing that it is UTF-8."""
    decoder = codecs.getincrementaldecoder(encoding)()
    done = 0
    with plain_errors(path), path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            done += len(chunk)
            if not (chunk.isascii() and not decoder.getstate()[0]):
                with _placed(encoding, done):
                    decoder.decode(chunk)
            yield chunk
        with _placed(encoding, done):
            decoder.decode(b"", final=True)


@contextmanager
def _placed(encoding: str, done: int) -> Iterator[None]:
    """Give an error of a decoder its place in the file, of which `done` bytes were read."""
    try:
        yield
    except UnicodeDecodeError as error:
        start = done - len(error.object)  # what was held back before is part of it
        raise UnicodeDecodeError(encoding, b"", start + error.start, start + error.end, error.reason) from None


@contextmanager
def plain_errors(path: Path) -> Iterator[None]:
    """Say in one line what a damaged or packed file raised."""
    try:
        yield
    except (UnicodeDecodeError, DataError):
        raise
    except READ_ERRORS as error:
        raise DataError(f"{path}: cannot be read ({error}); the file is damaged, fetch it again") from error
