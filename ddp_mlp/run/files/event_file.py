"""Events for TensorBoard: the rows of ``metrics.csv`` as scalars, in files below ``tensorboard/`` in the run directory.

Each start writes a file of its own, which tells TensorBoard from which step on events of earlier files are void. What
cannot be written stops no run: the rows wait, and go into a new file later.
"""

from __future__ import annotations

import os
import re
import socket
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from ddp_mlp.durable import Check, sync_directory, unchecked, writing_errors
from ddp_mlp.errors import UsageError
from ddp_mlp.plain_files import open_own

DIRECTORY = "tensorboard"
#: Names of event files, as TensorBoard knows them.
EVENTS = re.compile(r"events\.out\.tfevents\..+")
#: Seconds after which rows are on disk, for who looks on while the run goes on.
_FLUSH_EVERY_S = 5.0
#: Rows that are kept for a disk that takes none.
_MOST_WAITING = 10_000

Row = Mapping[str, Any]


def require_tensorboard() -> None:
    """Raise UsageError if what writes events is not installed."""
    try:
        import tensorboardX  # noqa: F401
    except ImportError:
        raise UsageError(
            "[train] tensorboard = true needs tensorboardX; pip install 'ddp-mlp[tensorboard]', or leave the key out"
        ) from None


class EventFile:
    """The events of one start of a run.

    Parameters
    ----------
    directory : Path
        Of the run.
    step : int
        Steps done at this start; events of later ones in earlier files are void.
    check : callable
        Called before each change to the files; raises if it must not be.
    """

    def __init__(self, directory: Path, step: int, check: Check = unchecked) -> None:
        self._path = directory / DIRECTORY
        self._check = check
        self._file: Path | None = None
        self._from_step = step + 1
        self._waiting: list[Row] = []  # those that are not known to be on disk
        self._n_written = self._n_files = 0
        self._flushed_at = time.monotonic()

    def append(self, rows: Sequence[Row]) -> None:
        """Add rows.

        Raises
        ------
        StorageError
            If they cannot be written; they wait for the next time.
        """
        self._waiting = [*self._waiting, *rows][-_MOST_WAITING:]
        if self._n_written == len(self._waiting):
            return
        self._check()
        try:
            with writing_errors(self._path):
                self._write()
        except Exception:
            self._give_up()
            raise
        if time.monotonic() - self._flushed_at > _FLUSH_EVERY_S:
            self.sync()

    def sync(self) -> None:
        """Force the rows that are written to disk.

        Raises
        ------
        StorageError
            If that fails; they wait to be written again.
        """
        if self._file is None or not self._n_written:
            return
        self._check()
        try:
            with writing_errors(self._path), self._open(self._file) as file:
                os.fsync(file.fileno())
                sync_directory(self._path)
        except Exception:
            self._give_up()
            raise
        self._from_step = int(self._waiting[self._n_written - 1]["step"]) + 1
        del self._waiting[: self._n_written]
        self._n_written, self._flushed_at = 0, time.monotonic()

    def _give_up(self) -> None:
        """Write into another file the next time; what this one lacks, or has a part of, is void then."""
        self._file, self._n_written = None, 0

    def _write(self) -> None:
        events = [_event_of(row) for row in self._waiting[self._n_written :]]
        if self._file is None:
            self._path.mkdir(exist_ok=True)
            self._n_files += 1
            name = f"{time.time():017.6f}.{socket.gethostname()}.{os.getpid()}.{self._n_files}"
            self._file = self._path / f"events.out.tfevents.{name}"
            events = [*_beginning(self._from_step), *events]
        with self._open(self._file) as file:
            file.write(b"".join(map(_framed, events)))
        self._n_written = len(self._waiting)

    @staticmethod
    def _open(path: Path) -> BinaryIO:
        return os.fdopen(open_own(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), "ab")


def _event_of(row: Row) -> bytes:
    from tensorboardX.proto.event_pb2 import Event

    event = Event(wall_time=time.time(), step=int(row["step"]))
    for name, value in row.items():
        if name != "step" and value != "":
            event.summary.value.add(tag=tag_of(name), simple_value=float(value))
    return bytes(event.SerializeToString())


def _beginning(step: int) -> list[bytes]:
    """Return the events at the start of a file: its version, and that what came after a step before is void."""
    from tensorboardX.proto.event_pb2 import Event, SessionLog

    log = SessionLog(status=SessionLog.SessionStatus.Value("START"))
    now = time.time()
    events = Event(wall_time=now, file_version="brain.Event:2"), Event(wall_time=now, step=step, session_log=log)
    return [bytes(event.SerializeToString()) for event in events]


def _framed(content: bytes) -> bytes:
    """Return a record as TFRecord frames it: length, content, and a check sum of each."""
    from tensorboardX.record_writer import masked_crc32c

    length = struct.pack("<Q", len(content))
    return length + struct.pack("<I", masked_crc32c(length)) + content + struct.pack("<I", masked_crc32c(content))


def tag_of(column: str) -> str:
    """Return the tag of a column of ``metrics.csv``; those of one kind stand together in TensorBoard.

    Examples
    --------
    >>> [tag_of(name) for name in ("valid_loss", "valid_rmse", "grad_norm_layer1.weight", "wall_s", "learning_rate")]
    ['loss/valid', 'valid/rmse', 'grad_norm/layer1.weight', 'time/wall_s', 'learning_rate']
    """
    if column in ("train_loss", "valid_loss"):
        return f"loss/{column[:5]}"
    if column.startswith("valid_"):
        return f"valid/{column[6:]}"
    if column.startswith("grad_norm"):
        return f"grad_norm/{column[10:] or 'all'}"
    return f"time/{column}" if column.endswith("_s") else column


def remove_events(directory: Path, delete: Callable[[Path], object]) -> None:
    """Remove the event files of a run with `delete`; others that lie there stay."""
    with suppress(FileNotFoundError, NotADirectoryError):
        for path in (directory / DIRECTORY).iterdir():
            if EVENTS.fullmatch(path.name):
                delete(path)
