"""The rows of each step: all of them in memory, or a window after the other."""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter
from typing import Protocol

from ddp_mlp.core.sampling import Ids, batch_bounds, epoch_order
from ddp_mlp.core.windows import Cut, EpochWindows, training_rows_of_blocks, window_order, windows_of_epoch
from ddp_mlp.training.streaming.windows_in_memory import Window, WindowMemory


class Feed(Protocol):
    """Puts the rows of coming steps into the order that the engine takes them from.

    Attributes
    ----------
    seconds : float
        That putting rows in order, and reading them, has taken so far.
    """

    seconds: float

    @property
    def order_size(self) -> int:
        """Most rows in the order at a time."""

    def begin(self, order: Ids, epoch: int, position: int) -> None:
        """Collective. Make ready for step number `position` of an epoch."""

    def batches(self, order: Ids, position: int, n_steps: int) -> list[tuple[int, int]]:
        """Collective. Return where in `order` the next steps find their rows; of `n_steps` or fewer, at least 1."""

    def done(self, position: int) -> None:
        """Take note that the steps before `position` are done."""

    def close(self) -> None:
        """Let go of files."""


class ResidentFeed:
    """All rows are in memory, and an epoch's order is one permutation of them."""

    def __init__(self, train_ids: Ids, batch_size: int, seed: int) -> None:
        self._train_ids, self._batch_size, self._seed = train_ids, batch_size, seed
        self.seconds = 0.0

    @property
    def order_size(self) -> int:
        """All rows that train."""
        return len(self._train_ids)

    def begin(self, order: Ids, epoch: int, position: int) -> None:  # noqa: ARG002 - the order is of all steps
        """Put all rows into the order of an epoch."""
        started = perf_counter()
        order[:] = epoch_order(self._train_ids, self._seed, epoch)
        self.seconds += perf_counter() - started

    def batches(self, order: Ids, position: int, n_steps: int) -> list[tuple[int, int]]:
        """Return the parts of the order that the next steps take."""
        return [batch_bounds(len(order), self._batch_size, position + i) for i in range(n_steps)]

    def done(self, position: int) -> None:
        """Return at once: all rows stay."""

    def close(self) -> None:
        """Return at once: no file is open."""


class WindowOrders:
    """The windows of all epochs, and the order of rows in each, from the seed."""

    def __init__(self, cut: Cut, n_rows: int, train_ids: Ids, seed: int, n_epochs: int) -> None:
        self.cut, self._n_rows, self._train_ids, self._seed, self._n_epochs = cut, n_rows, train_ids, seed, n_epochs
        self._counts = training_rows_of_blocks(cut, n_rows, train_ids)

    def epoch(self, epoch: int) -> EpochWindows:
        """Return the windows of an epoch."""
        return windows_of_epoch(self.cut, self._counts, self._seed, epoch)

    def to_come(self, epoch: int, window: int) -> Iterator[Window]:
        """Yield a window and all that follow it, to the last epoch."""
        for each in range(epoch, self._n_epochs):
            blocks = self.epoch(each).blocks
            for number in range(window if each == epoch else 0, len(blocks)):
                yield each, number, blocks[number]

    def order(self, window: Window) -> Ids:
        """Return the rows of a window that train, in their order, as places in its memory."""
        epoch, number, blocks = window
        return window_order(self.cut, self._n_rows, self._train_ids, blocks, self._seed, epoch, number)


class StreamedFeed:
    """Two windows are in memory. The order holds what is left of one, and then the other.

    So the rows of each step lie side by side in the order, also of one that takes the last rows of a window and the
    first ones of the next.
    """

    def __init__(self, orders: WindowOrders, memory: WindowMemory, n_train: int, batch_size: int) -> None:
        self._orders, self._memory = orders, memory
        self._n_train, self._batch_size = n_train, batch_size
        self._windows = orders.epoch(0)
        self._first, self._end = 0, 0  # samples of the epoch: where the order begins and ends
        self.seconds = 0.0

    @property
    def order_size(self) -> int:
        """Rows of a window, and of a batch that it could not fill."""
        return self._orders.cut.window_rows + self._batch_size

    def begin(self, order: Ids, epoch: int, position: int) -> None:
        """Collective. Read the window of the next step, if it is not in memory yet."""
        started = perf_counter()
        self._windows = self._orders.epoch(epoch)
        sample = position * self._batch_size
        number = self._windows.window_of(sample)
        self._memory.go_to(epoch, number)
        self._first = self._end = int(self._windows.starts[number])
        self._take(order, self._first)
        self.seconds += perf_counter() - started

    def _take(self, order: Ids, sample: int) -> None:
        """Collective. Let the next window follow what is left of the order from a sample of the epoch on."""
        window, at = self._memory.take()
        left = order[sample - self._first : self._end - self._first].copy()
        rows = self._orders.order(window) + at
        order[: len(left)] = left
        order[len(left) : len(left) + len(rows)] = rows
        self._first, self._end = sample, self._end + len(rows)

    def batches(self, order: Ids, position: int, n_steps: int) -> list[tuple[int, int]]:
        """Collective. Return the steps whose rows are in memory, having read the next window if there is none."""
        first, last = batch_bounds(self._n_train, self._batch_size, position)
        if last > self._end:
            started = perf_counter()
            self._take(order, first)
            self.seconds += perf_counter() - started
        bounds = (batch_bounds(self._n_train, self._batch_size, position + i) for i in range(n_steps))
        return [(start - self._first, stop - self._first) for start, stop in bounds if stop <= self._end]

    def done(self, position: int) -> None:
        """Read as much of the next window as this one has been used up."""
        started = perf_counter()
        used = min(position * self._batch_size, self._end) - self._first
        self._memory.fill(used / (self._end - self._first))
        self.seconds += perf_counter() - started

    def close(self) -> None:
        """Close the files."""
        self._memory.close()
