"""Whether the rows of a run are streamed, and how they are cut into blocks and windows.

Neither depends on ranks or on the machine, so the order of rows, and with it every bit, is the same everywhere; a run
that goes on keeps the cut that it began with.
"""

from __future__ import annotations

from collections.abc import Sequence

from ddp_mlp.config import Config
from ddp_mlp.core.sampling import Ids, global_batch_size
from ddp_mlp.core.windows import Cut, least_rows_of_window, training_rows_of_blocks
from ddp_mlp.data.dataset.split import Split
from ddp_mlp.errors import DataError, UsageError

#: "auto" streams rows that take more than this in memory.
STREAM_FROM_BYTES = 4 * 2**30
#: Rows that lie beside one another and are read at once: as many as reading by pieces costs little for.
BLOCK_BYTES = 2**20
#: Half of the rows that are in memory: several hundred blocks, which mixes also what is sorted.
WINDOW_BYTES = 256 * 2**20
#: Chunks that are long, or batches that are large, make larger windows, of so many blocks and up to this size.
LEAST_BLOCKS, MOST_WINDOW_BYTES = 16, 1024 * 2**20
#: Small data make smaller blocks and windows, so that streaming them takes less memory than holding them.
LEAST_WINDOWS = 8


def is_streamed(config: Config, memory_bytes: int, *, in_file: bool) -> bool:
    """Tell whether rows that would take `memory_bytes` of memory are streamed.

    Raises
    ------
    UsageError
        If rows that are given in memory are to be streamed, or all rows make one batch.
    """
    residency = config.data.residency
    if residency == "stream" and not in_file:
        raise UsageError(
            '[data] residency = "stream" is for HDF5 files, but the rows were given in memory, where they are already;'
            " leave it out, or write them to a file"
        )
    if residency == "stream" and config.train.global_batch_size == "full":
        raise UsageError(
            '[data] residency = "stream" reads some rows at a time, but [train] global_batch_size = "full" needs all of'
            ' them in each step; take a number, or residency = "node"'
        )
    if config.train.global_batch_size == "full" or not in_file:
        return False
    return residency == "stream" or (residency == "auto" and memory_bytes > STREAM_FROM_BYTES)


def cut_rows(split: Split, train_ids: Ids, row_bytes: int, config: Config) -> Cut:
    """Return how the rows of a split are cut.

    Blocks hold whole chunks of the file, so that each is unpacked once in an epoch. Windows are of `WINDOW_BYTES`, and
    larger where chunks are long or a batch would not fit.

    Parameters
    ----------
    row_bytes : int
        Bytes of a row in memory.

    Raises
    ------
    DataError
        If the chunks of the file are too long.
    UsageError
        If a batch is too large.
    """
    n_rows, most_rows = split.n_samples, MOST_WINDOW_BYTES // row_bytes
    block_rows = min(_block_rows(split.chunk_rows, n_rows, row_bytes), n_rows)
    if block_rows > most_rows:
        raise DataError(
            f"{split.where}: its chunks are of {block_rows} rows, and streaming holds {most_rows} at a time, since it"
            " unpacks each chunk once; rewrite the file with chunks of a few rows and all columns, about 1 MiB, or set"
            ' [data] residency = "node"'
        )
    window_bytes = min(WINDOW_BYTES, n_rows * row_bytes // LEAST_WINDOWS)
    least_blocks = min(LEAST_BLOCKS, most_rows // block_rows)
    window_blocks = max(window_bytes // (block_rows * row_bytes), least_blocks)
    batch = global_batch_size(config, len(train_ids))
    cut = Cut(block_rows, window_blocks)
    counts = training_rows_of_blocks(cut, n_rows, train_ids)
    while cut.window_blocks < len(counts) and least_rows_of_window(cut, counts) < batch:
        cut = Cut(block_rows, 2 * cut.window_blocks)
    if cut.window_rows > max(most_rows, block_rows) and cut.window_blocks > window_blocks:
        raise UsageError(
            f"[train] global_batch_size: a batch of {batch} rows takes more memory than the {most_rows} that streaming"
            ' holds at a time; take a smaller one, or [data] residency = "node"'
        )
    return Cut(block_rows, min(cut.window_blocks, len(counts)))


def _block_rows(chunk_rows: Sequence[int], n_rows: int, row_bytes: int) -> int:
    """Return the rows of a block: as many as `BLOCK_BYTES` hold, rounded up to whole chunks.

    Targets and weights may be in chunks of many more rows than features: each of these is unpacked once only as long
    as a window still has enough blocks.
    """
    wanted = max(1, min(BLOCK_BYTES // row_bytes, n_rows // (LEAST_WINDOWS * LEAST_BLOCKS)))
    most = WINDOW_BYTES // LEAST_BLOCKS // row_bytes
    step = max(1, chunk_rows[0])
    if max(chunk_rows) <= most:
        step = max(step, *chunk_rows)
    return -(-wanted // step) * step


def check_cut(cut: Cut, split: Split, train_ids: Ids, row_bytes: int, config: Config) -> None:
    """Raise DataError unless a cut that a checkpoint tells of can be that of a run.

    Parameters
    ----------
    split, train_ids, row_bytes, config
        As of `cut_rows`.
    """
    counts = training_rows_of_blocks(cut, split.n_samples, train_ids)
    is_small = cut.window_rows <= max(MOST_WINDOW_BYTES // row_bytes, 1)
    is_enough = cut.window_blocks == len(counts) or least_rows_of_window(cut, counts) >= global_batch_size(
        config, len(train_ids)
    )
    if not (is_small and is_enough and cut.window_blocks <= len(counts)):
        raise DataError(
            f"{split.where}: the checkpoint says that its rows were streamed in {cut}, which cannot be; take an"
            " older one"
        )
