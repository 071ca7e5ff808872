"""The rows of a run that are streamed."""

from __future__ import annotations

from dataclasses import dataclass

from ddp_mlp.comm import Communicator
from ddp_mlp.config import Config
from ddp_mlp.core.sampling import Ids
from ddp_mlp.core.windows import Cut
from ddp_mlp.data.row_reader import RowReader
from ddp_mlp.training.streaming.feed import WindowOrders
from ddp_mlp.training.streaming.windows_in_memory import N_SLOTS, OpenFiles, WindowMemory


@dataclass(frozen=True, eq=False)
class Stream:
    """Rows that are read while training goes on.

    Attributes
    ----------
    reader : RowReader
    cut : Cut
    orders : WindowOrders
    memory : WindowMemory
    """

    reader: RowReader
    cut: Cut
    orders: WindowOrders
    memory: WindowMemory

    def line(self, memory_bytes: int) -> str:
        """Return a line for the user; all rows would take `memory_bytes`."""
        n_rows = self.reader.splits[0].n_samples
        n_blocks, n_windows = self.cut.n_blocks(n_rows), self.cut.n_windows(n_rows)
        held = N_SLOTS * self.cut.window_rows * self.reader.row_bytes
        return (
            f"rows are streamed: {held / 2**20:.3g} MiB of {memory_bytes / 2**20:.3g} are in memory at a time;"
            f" {n_blocks} blocks of {self.cut.block_rows} rows are shuffled, and the rows of"
            f" each of {n_windows} windows"
        )


def open_stream(
    config: Config, reader: RowReader, cut: Cut, train_ids: Ids, comm: Communicator, files: OpenFiles
) -> Stream:
    """Collective. Take memory for two windows; nothing is read yet.

    Parameters
    ----------
    reader : RowReader
        Of the split that trains, and of that which validates, if there is one.
    train_ids : ndarray of int64
        Rows of the first that train, sorted.
    files : OpenFiles
        Closed with the stream.
    """
    n_rows = reader.splits[0].n_samples
    orders = WindowOrders(cut, n_rows, train_ids, config.train.seed, config.train.epochs)
    return Stream(reader, cut, orders, WindowMemory(reader, cut, comm, files, orders.to_come))
