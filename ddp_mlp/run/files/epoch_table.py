"""A CSV file of one row an epoch that only grows, over restarts too.

Whatever has become of the file, it stops no run. A row counts if it is whole. What a crash or a
full disk has cut short is cut off; a file with anything else in it is set aside under another
name, and its whole rows go into a new one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ddp_mlp.checkpoint.history import Cells, computed, extended
from ddp_mlp.durable import Check, set_aside, sync_directory, unchecked, under_way, writing_errors
from ddp_mlp.errors import counted
from ddp_mlp.plain_files import open_own
from ddp_mlp.run.files.table_lines import Line, Survey, good_lines, lines_of, row_of, survey

#: Rows that are written and not yet forced to disk, at most: what is kept of them is memory.
_MOST_WAITING = 256


def _open(path: Path) -> BinaryIO:
    """Open a table for reading and writing; what is no plain file of this user is not touched."""
    return os.fdopen(open_own(path, os.O_RDWR | os.O_CREAT), "r+b")


class EpochTable:
    """The file at `path`, whose only writer this process is.

    Parameters
    ----------
    tell : callable
        Is told, in one line, where the file is not what the run had come to.
    epoch : int
        Epochs that the run has done, whose rows the file should have.
    known : iterable of dict
        Those of these rows that are known, should the file lack them.
    history_sha256 : str
        What these rows hash to; empty where that is not known.
    check : callable
        Called directly before each change to the file; raises if it must not be.
    """

    def __init__(
        self,
        path: Path,
        tell: Callable[[str], None],
        *,
        epoch: int = 0,
        known: Iterable[Cells] = (),
        history_sha256: str = "",
        check: Check = unchecked,
    ) -> None:
        self._path = path
        self._check = check
        self._tell = tell
        self._epoch = epoch  # up to which rows are on disk, as far as they are known
        self._history_sha256 = history_sha256
        self._waiting = list(known)  # rows that are not known to be on disk, of which some are written
        self._n_written = 0
        self._end = -1  # of the rows that are written; -1 before the file has been looked at
        self._n_missing = 0  # rows that are lost, as was told
        self._may_be_ahead = True  # an earlier start may have written rows that come again

    def append(self, rows: Iterable[Cells] = ()) -> None:
        """Append rows, after those that could not be written before.

        An epoch that is computed again after a restart has the same numbers, so that its first
        row stays.

        Raises
        ------
        StorageError
            If the file cannot be read or written; the rows wait for the next time.
        """
        self._waiting += rows
        if self._n_written == len(self._waiting):
            return
        with self._failing():
            if self._end < 0 or self._has_shrunk():
                self._look(list(self._waiting[0]))
            self._write()
        if self._n_written > _MOST_WAITING:
            self.sync()

    def sync(self) -> None:
        """Force the rows that are written to disk.

        Raises
        ------
        StorageError
            If that fails; the rows wait to be written again.
        """
        if self._n_written == 0:
            return
        self._check()
        with self._failing(), _open(self._path) as file:
            os.fsync(file.fileno())
            sync_directory(self._path.parent)
        self._epoch = int(self._waiting[self._n_written - 1]["epoch"])
        del self._waiting[: self._n_written]
        self._n_written = 0

    def cut(self) -> None:
        """Remove rows of later epochs that an earlier start has left: the run has ended before them.

        Raises
        ------
        StorageError
            If the file cannot be written.
        """
        if self._may_be_ahead and self._end > 0 and not self._has_shrunk():
            with self._failing(), _open(self._path) as file:
                self._check()
                file.truncate(self._end)

    def waiting(self, epoch: int) -> list[Cells]:
        """Return the rows of up to `epoch` epochs that are not known to be on disk."""
        return [row for row in self._waiting if int(row["epoch"]) <= epoch]

    @contextmanager
    def _failing(self) -> Iterator[None]:
        with writing_errors(self._path):
            try:
                yield
            except OSError:
                self._n_written, self._end = 0, -1
                self._may_be_ahead = False  # what is there now may never reach the disk
                raise

    def _has_shrunk(self) -> bool:
        """Tell whether somebody else has cut or removed the file."""
        try:
            return self._path.lstat().st_size < self._end
        except FileNotFoundError:
            return True

    def _look(self, columns: list[str]) -> None:
        """Find the end of the rows that are done; mend the file if there is anything else in it."""
        complaints = []
        self._n_written = 0
        found = self._survey(columns)
        if not found.is_clean:
            aside = self._mend(columns, has_rows=found.has_header)
            complaints.append(f"is not as this run left it (it is kept as {aside.name})")
            found = self._survey(columns)
        self._end = found.end
        self._waiting = [row for row in self._waiting if int(row["epoch"]) > found.last]
        if reason := self._misses(found):
            complaints.append(reason)
        if complaints:
            self._tell(f"warning: {self._path} {' and '.join(complaints)}; the run goes on")

    def _survey(self, columns: list[str]) -> Survey:
        self._check()
        with _open(self._path) as file:
            found = survey(file, columns, self._epoch)
            if found.is_clean:
                self._check()
                file.truncate(found.good_bytes)
            return found

    def _mend(self, columns: list[str], *, has_rows: bool) -> Path:
        """Set the file aside, with its whole rows in a new one, and return where it is."""
        if not has_rows:
            return set_aside(self._path, self._check)
        with under_way(self._path, self._check) as temporary:
            with _open(self._path) as old, _open(temporary) as new:
                new.writelines(line.content for n, line in good_lines(old, columns, self._epoch) if n >= 0)
            return set_aside(self._path, self._check)

    def _misses(self, found: Survey) -> str:
        """Return the fault of the rows that are done, those included that are about to be written."""
        known, sha256 = [row for row in self._waiting if int(row["epoch"]) <= self._epoch], found.sha256
        for row in known:
            sha256 = extended(sha256, row)
        n_missing = self._epoch - found.n_rows - len(known)
        expected, self._history_sha256 = self._history_sha256, ""
        if n_missing > self._n_missing:
            self._n_missing = n_missing
            return f"lacks {n_missing} of the rows of {counted(self._epoch, 'epoch')}"
        return "has other numbers than the run had come to" if expected and not n_missing and sha256 != expected else ""

    def _write(self) -> None:
        rows = self._waiting[self._n_written :]
        self._check()
        with _open(self._path) as file:
            end = self._end
            if self._may_be_ahead:
                end, n = self._step_over(file, rows)
                rows = rows[n:]
            if rows:
                header = "" if end else ",".join(rows[0]) + "\n"
                text = header + "".join(",".join(row.values()) + "\n" for row in rows)
                self._check()
                file.seek(end)
                file.truncate()
                file.write(text.encode())
                end = file.tell()
        self._end, self._n_written = end, len(self._waiting)

    def _step_over(self, file: BinaryIO, rows: Sequence[Cells]) -> tuple[int, int]:
        """Compare rows with those that an earlier start left behind; return where equal ones end, and how many."""
        file.seek(self._end)
        end, lines = self._end, lines_of(file)
        for n, row in enumerate(rows):
            line = next(lines, Line(b"", ()))
            if len(line.cells) != len(row) or computed(row_of(list(row), line)) != computed(row):
                self._may_be_ahead = False
                return end, n
            end += len(line.content)
        return end, len(rows)
