"""Files that are read more than once are the same each time, or the data set would be made of two."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ddp_mlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ddp_mlp.data.rows import Rows
    from ddp_mlp.data.sources.source import Source

    Identity = tuple[int, ...] | None


class Watch:
    """Files as they were when they were first looked at.

    Parameters
    ----------
    paths : sequence of Path
        Files, or folders of them.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._were = {path: _identity(path) for given in paths for path in _files(given)}

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Check in the end that the files are still what they were; an error of reading may come of a change.

        Raises
        ------
        DataError
            If one is not.
        """
        try:
            yield
        except DataError as error:
            self._require_unchanged(error)
            raise
        self._require_unchanged(None)

    def over(self, source: Source) -> Source:
        """Return a source whose rows are read under watch."""

        def blocks() -> Iterator[tuple[str, Rows]]:
            with self.reading():
                yield from source.blocks()

        return replace(source, blocks=blocks)

    def _require_unchanged(self, error: DataError | None) -> None:
        for path, was in self._were.items():
            if _identity(path) != was:
                raise DataError(
                    f"{path}: changed while it was read; wait until it is complete, and try again"
                ) from error


def _files(path: Path) -> list[Path]:
    return [each for each in path.iterdir() if each.is_file()] if path.is_dir() else [path]


def _identity(path: Path) -> Identity:
    """Return inode, size and time of the last change of a file; None if it is gone."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns
