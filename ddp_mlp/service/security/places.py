"""Which files a request may name: those below the directory of the service and of ``--data``, wherever links lead."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ddp_mlp.errors import UsageError, literal
from ddp_mlp.service.settings import FOLDER

#: Longest path that Linux opens.
_LONGEST = 4095


def confined(text: str, base: Path, roots: Sequence[Path]) -> Path:
    """Return the file that a text names, with all links followed, if it is below one of the roots.

    Parameters
    ----------
    base : Path
        Directory that relative paths are of.
    roots : sequence of Path
        Resolved directories, the first that of the service, whose own folder is no place for data.

    Raises
    ------
    UsageError
        If it leads elsewhere, or is no path. Nothing is said about whether such a file is there.
    """
    if not text or "\0" in text or len(text) > _LONGEST or not text.isprintable():
        raise UsageError(f"{literal(text)} is no path")
    try:
        real = Path(os.path.realpath(base / text))
    except (OSError, ValueError):
        raise UsageError(f"{literal(text)} is no path that can be followed") from None
    if not is_below(real, roots):
        raise UsageError(
            f"{literal(text)} is outside of the directories of this service; put the file below one of them, or start "
            "the service with --data"
        )
    return real


def is_below(real: Path, roots: Sequence[Path]) -> bool:
    """Tell whether a resolved path is below a root, and not in the folder of the service."""
    return any(real.is_relative_to(root) for root in roots) and not real.is_relative_to(roots[0] / FOLDER)


def name_of(text: str, fallback: str, most: int = 80) -> str:
    """Return a text as the name of a file: letters, digits, ``-``, ``_`` and ``.`` inside.

    Examples
    --------
    >>> name_of("../my table?.csv", "data"), name_of("", "data"), name_of("....", "data")
    ('my-table-.csv', 'data', 'data')
    """
    last = text.replace("\\", "/").rpartition("/")[2]
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "-" for c in last)[:most].strip(".-")
    return plain or fallback
