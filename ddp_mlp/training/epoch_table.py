"""A CSV file of one row an epoch that only grows, over restarts too."""

from __future__ import annotations

import csv
import io
from contextlib import suppress
from pathlib import Path
from typing import Any

from ddp_mlp.durable import Check, append_lines, unchecked, writing_errors
from ddp_mlp.plain_files import read_lines


class EpochTable:
    """The file at `path`, whose only writer this process is once it has appended."""

    def __init__(self, path: Path, check: Check = unchecked) -> None:
        self._path = path
        self._check = check
        self._known: set[int] | None = None

    def append(self, rows: list[dict[str, Any]]) -> None:
        """Append those rows whose epochs the file does not have yet.

        An epoch that was computed twice because a job was killed before its checkpoint has
        the same numbers both times, so the first row stays.

        Raises
        ------
        StorageError
            If the file cannot be read or written; then the rows can be given again.
        OutputError
            If it is no plain file of this user.
        """
        if self._known is None:
            with writing_errors(self._path):
                self._known = _epochs_in(self._path)
        new = [row for row in rows if row["epoch"] not in self._known]
        if new:
            append_lines(
                self._path, _as_csv(new), self._check, header=_as_csv([dict(zip(new[0], new[0], strict=True))])
            )
        self._known.update(row["epoch"] for row in new)


def _as_csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n").writerows(rows)
    return text.getvalue()


def _epochs_in(path: Path) -> set[int]:
    with suppress(FileNotFoundError):
        # A row with fewer cells than the header was cut short and does not count.
        whole = [row for row in csv.DictReader(read_lines(path)) if None not in row.values()]
        return {int(row["epoch"]) for row in whole if row["epoch"].isdigit()}
    return set()
