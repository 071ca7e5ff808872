"""A CSV file of one row an epoch that only grows, over restarts too."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import Any

from ddp_mlp.errors import StorageError


class EpochTable:
    """The file at `path`, whose only writer this process is once it has appended."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: set[int] | None = None

    def append(self, rows: list[dict[str, Any]]) -> None:
        """Append those rows whose epochs the file does not have yet.

        An epoch that was computed twice because a job was killed before its checkpoint has
        the same numbers both times, so the first row stays.

        Raises
        ------
        StorageError
            If the file cannot be read or written; then the rows can be given again.
        """
        try:
            if self._known is None:
                self._known = _epochs_in(self._path)
            new = [row for row in rows if row["epoch"] not in self._known]
            if new:
                _append(self._path, new)
            self._known.update(row["epoch"] for row in new)
        except OSError as error:
            raise StorageError(f"{self._path}: cannot write: {error.strerror}") from None


def _append(path: Path, rows: list[dict[str, Any]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    with path.open("ab+") as file:
        size = file.seek(0, os.SEEK_END)
        if size == 0:
            writer.writeheader()
        else:
            file.seek(size - 1)
            if file.read(1) != b"\n":  # a crash or a full disk has cut the last row short
                text.write("\n")
        writer.writerows(rows)
        file.write(text.getvalue().encode())


def _epochs_in(path: Path) -> set[int]:
    if not path.exists():
        return set()
    with path.open(newline="") as file:
        # A row with fewer cells than the header was cut short and does not count.
        whole = [row for row in csv.DictReader(file) if None not in row.values()]
        return {int(row["epoch"]) for row in whole if row["epoch"].isdigit()}
