"""Two windows of rows in memory that the ranks of a node share: one trains while the other is filled.

Rows are read between steps, by all ranks of the node at once, each some of the blocks: ranks keep all cores busy, and a
thread that read beside them would make the others wait at the next barrier. What is far away is the disk, and that the
system fetches in the background: it is told `AHEAD_BYTES` before which blocks come next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

from ddp_mlp.comm import Communicator, agreed
from ddp_mlp.core.windows import Cut
from ddp_mlp.data.dataset.dataset import DatasetFile
from ddp_mlp.data.resident import Resident
from ddp_mlp.data.row_reader import RowReader
from ddp_mlp.errors import DataError, DdpMlpError

#: Bytes of rows that a rank lets the system fetch before it reads them.
AHEAD_BYTES = 64 * 2**20
N_SLOTS = 2

_Item = TypeVar("_Item")

#: A window to come: its epoch, its number, and its blocks.
Window = tuple[int, int, tuple[int, ...]]


@dataclass(frozen=True, eq=False)
class OpenFiles:
    """Files that stay open while their rows are read, and are to stay as they were when they were opened."""

    files: tuple[DatasetFile, ...]
    closing: ExitStack
    _known: list[tuple[int, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._known.extend(_marks(file) for file in self.files)

    def require_unchanged(self) -> None:
        """Raise DataError if a file has been written to since it was opened."""
        for file, known in zip(self.files, self._known, strict=True):
            if _marks(file) != known:
                raise DataError(
                    f"{file.path}: it was written to while its rows were streamed, so no epoch is whole any more; put"
                    " the file back as it was and go on with --resume, or start anew"
                )

    def close(self) -> None:
        """Close the files."""
        self.closing.close()


def _marks(file: DatasetFile) -> tuple[int, ...]:
    """Return all but the last of the marks of a file: its ctime moves when it is renamed or linked, too."""
    return file.identity()[:-1]


class WindowMemory:
    """Memory of two windows, filled one block after the other.

    Attributes
    ----------
    resident : Resident
        Window in slot s lies from row ``s * cut.window_rows`` on.
    """

    def __init__(
        self,
        reader: RowReader,
        cut: Cut,
        comm: Communicator,
        files: OpenFiles,
        to_come: Callable[[int, int], Iterator[Window]],
    ) -> None:
        """Collective. Take the memory; `to_come` yields a window of an epoch and all that follow it."""
        self._reader, self._cut, self._comm, self._files = reader, cut, comm, files
        self._to_come = to_come
        self._n_rows = reader.splits[0].n_samples
        self.resident: Resident = reader.memory(N_SLOTS * cut.window_rows, comm.node_shared)
        self._slot = 0
        self._left: deque[tuple[int, int]] = deque()
        self._n_own = 0
        self._failed: DdpMlpError | None = None
        self._windows: Iterator[Window] = iter(())
        self._ahead: Iterator[int] = iter(())
        self.coming: Window | None = None

    def go_to(self, epoch: int, window: int) -> None:
        """Let the window that comes next be this one, if it is not."""
        if self.coming is None or self.coming[:2] != (epoch, window):
            # where it lies without a stop: dropout and augmentation draw by the place of a row in this memory
            self._slot = (epoch * self._cut.n_windows(self._n_rows) + window) % N_SLOTS
            self._windows = self._to_come(epoch, window)
            self._ahead = (block for _, _, blocks in self._to_come(epoch, window) for block in self._own(blocks))
            self._tell_ahead(max(1, AHEAD_BYTES // (self._cut.block_rows * self._reader.row_bytes)))
            self._begin_next()

    def _own(self, blocks: Sequence[_Item]) -> Sequence[_Item]:
        """Return the part of the blocks that this rank reads."""
        return blocks[self._comm.local_rank :: self._comm.local_size]

    def _tell_ahead(self, n_blocks: int) -> None:
        for block in islice(self._ahead, n_blocks):
            self._reader.splits[0].will_read(*self._cut.rows_of(block, self._n_rows))

    def _begin_next(self) -> None:
        self.coming = next(self._windows, None)
        self._left = deque(self._own(list(enumerate(self.coming[2] if self.coming else ()))))
        self._n_own = len(self._left)

    def fill(self, part: float) -> None:
        """Read blocks of the coming window until so much of it is in memory; an error waits for `take`."""
        while self._left and len(self._left) > self._n_own * (1 - part) and self._failed is None:
            index, block = self._left.popleft()
            start, stop = self._cut.rows_of(block, self._n_rows)
            at = self._slot * self._cut.window_rows + index * self._cut.block_rows
            try:
                self._tell_ahead(1)
                self._reader.read(0, start, stop, self.resident, at)
            except DdpMlpError as error:
                self._failed = error

    def take(self) -> tuple[Window, int]:
        """Collective. Return the coming window, of which then all rows are in memory, and the row where it lies.

        From the next `fill` on, the window before it is overwritten.

        Raises
        ------
        DataError, StorageError
            If a rank could not read its part, or the file has changed.
        """
        with agreed(self._comm):
            self.fill(1.0)
            if self._failed is not None:
                raise self._failed
            self._files.require_unchanged()
        window, at = self.coming, self._slot * self._cut.window_rows
        assert window is not None  # noqa: S101 - the caller takes no more than there are
        self._slot = 1 - self._slot
        self._begin_next()
        return window, at

    def close(self) -> None:
        """Close the files; what is in memory stays."""
        self._files.close()
