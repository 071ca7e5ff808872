"""Reading small files that users name: plain ones or links to them, up to a size."""

from __future__ import annotations

import os
from pathlib import Path

from ddp_mlp.errors import MissingInputError, UsageError, literal
from ddp_mlp.plain_files import open_plain


def read_small(path: Path, most_bytes: int, what: str) -> bytes:
    """Return the content of a file that a user has named.

    Each rank reads it, and a restart again: a pipe gives its content only once, and may never come
    to an end. A device such as ``/dev/stdin`` is followed to the plain file behind it, if there is one.

    Parameters
    ----------
    what : str
        What it should be, without an article, for messages.

    Raises
    ------
    MissingInputError
        If it is not there, not a plain file, or cannot be read.
    UsageError
        If it is larger than `most_bytes`.
    """
    try:
        with open_plain(path, follow=True) as file:
            size = os.fstat(file.fileno()).st_size
            content = file.read(min(size, most_bytes) + 1)
    except FileNotFoundError:
        raise MissingInputError(f"{path}: no such {what}") from None
    except OSError as error:
        raise MissingInputError(f"{path}: cannot be read as a {what}: {error.strerror}") from None
    except ValueError as error:  # a path that is none, such as one with a NUL in it
        raise MissingInputError(f"{literal(str(path))}: cannot be the path of a {what}: {error}") from None
    if len(content) > most_bytes:
        raise UsageError(
            f"{path}: {max(size, len(content)) / 2**20:,.1f} MiB, but a {what} has {most_bytes / 2**20:g} MiB at most; "
            "is it another file?"
        )
    return content
