"""What every communicator promises, with answers in closed form; on the ranks of a launcher: `main`.

mpiexec -n 3 python -m tests.comm.contract
"""

from __future__ import annotations

import sys

import numpy as np
import pytest

from ddp_mlp.comm import Communicator, agreed, connect, require_same
from ddp_mlp.comm.agreement import is_agreed
from ddp_mlp.errors import DataError, LaunchError


def places(comm: Communicator) -> None:
    """Ranks are numbered node by node, and every one knows where it is."""
    assert sum(comm.node_sizes) == comm.world_size
    assert comm.node_sizes[comm.node] == comm.local_size
    assert comm.rank == sum(comm.node_sizes[: comm.node]) + comm.local_rank
    assert comm.host


def texts(comm: Communicator) -> None:
    """Texts of any length and letters come in order of rank."""
    found = comm.share_text("grüß" * comm.rank)
    assert found == ["grüß" * rank for rank in range(comm.world_size)]


def broadcasts(comm: Communicator) -> None:
    """Everybody has the array of rank 0, of any type and shape, and of no element."""
    for dtype in (np.uint8, np.int64, np.float32, np.float64):
        for shape in ((0,), (1,), (3, 5)):
            array = np.full(shape, comm.rank + 7, dtype)
            comm.broadcast(array)
            assert array.shape == shape
            assert (array == 7).all()


def sums(comm: Communicator) -> None:
    """Rows of all ranks, some of which have none, add up to what the ranks add up to."""
    counts = [rank % 3 for rank in range(comm.world_size)]
    table = np.full((sum(counts), 2), np.nan)
    start = sum(counts[: comm.rank])
    table[start : start + counts[comm.rank]] = comm.rank + 1
    comm.gather_rows(table, counts)
    np.testing.assert_array_equal(table[:, 1], np.repeat(np.arange(comm.world_size) + 1.0, counts))
    n = comm.world_size
    ones = np.zeros((n, 1), np.int64)
    ones[comm.rank] = comm.rank + 1
    comm.gather_rows(ones, [1] * n)
    assert ones.sum() == n * (n + 1) // 2


def shared_memory(comm: Communicator) -> None:
    """Ranks of a node see the same memory, aligned, zeroed, and none of another allocation or node."""
    for n_bytes in (0, 1, 65, 100_003):
        memory, other = comm.node_shared(n_bytes + comm.local_size), comm.node_shared(n_bytes + comm.local_size)
        assert (memory.dtype, memory.shape) == (np.uint8, (n_bytes + comm.local_size,))
        assert memory.ctypes.data % 64 == 0
        assert not memory.any()
        comm.node_barrier()
        memory[n_bytes + comm.local_rank] = comm.rank + 1
        comm.node_barrier()
        first = comm.rank - comm.local_rank
        assert memory[n_bytes:].tolist() == list(range(first + 1, first + comm.local_size + 1))
        assert not other.any()
        comm.node_barrier()
    comm.release_shared()


def exchanges_of_nodes(comm: Communicator) -> None:
    """Between the first ranks of nodes, parts go where they are to go, each time that the plan runs, in either way."""
    if comm.local_rank == 0:
        n_nodes, me = len(comm.node_sizes), comm.node
        rows = np.full((n_nodes, 2), float(me))
        comm.gather_rows_of_nodes(rows, [1] * n_nodes)
        assert rows[:, 0].tolist() == list(range(n_nodes))
        # Node m gets from node k two parts, of 1 and of k + 1 elements; nobody sends to itself.
        out = [[np.zeros(1), np.zeros(me + 1, np.float32)] if node != me else [] for node in range(n_nodes)]
        into = [[np.zeros(1), np.zeros(k + 1, np.float32)] if k != me else [] for k in range(n_nodes)]
        transfer = comm.plan_transfer("an exchange", out, into)
        for turn in (1, 2, 3):
            for node, parts in enumerate(out):
                for part in parts:
                    part[:] = 100 * turn + 10 * me + node
            if turn == 2:
                transfer.run()
            else:
                transfer.start()
                while not transfer.is_done():
                    pass
            for k, parts in enumerate(into):
                for part in parts:
                    assert (part == 100 * turn + 10 * k + me).all()
        transfer.free()
    comm.barrier()


def agreement(comm: Communicator) -> None:
    """What one rank raises is raised by all, the same; what differs is found by all."""
    last = comm.world_size - 1
    with agreed(comm):
        pass
    with pytest.raises(DataError) as caught, agreed(comm):  # noqa: PT012 - of all ranks, one fails
        if comm.rank == last:
            raise DataError("a file is no file")
    assert is_agreed(caught.value)
    assert str(caught.value).endswith("a file is no file")
    assert str(caught.value).startswith(f"[rank {last} on ") == (last > 0)
    require_same(comm, {"a": "1"}, "advice")
    if comm.world_size > 1:
        with pytest.raises(LaunchError) as found:
            require_same(comm, {"a": str(comm.rank == last)}, "advice")
        assert is_agreed(found.value)


PROMISES = (places, texts, broadcasts, sums, shared_memory, exchanges_of_nodes, agreement)


def keep_contract(comm: Communicator) -> None:
    """Collective. Check all promises, twice, since what was used once must be usable again."""
    for _ in range(2):
        for promise in PROMISES:
            promise(comm)
            comm.barrier()


def main() -> None:
    """Check the communicator that the launcher's environment leads to; rank 0 says its nodes."""
    with connect() as comm:
        keep_contract(comm)
        if comm.rank == 0:
            sys.stdout.write(f"kept by {comm.world_size} ranks on nodes of {list(comm.node_sizes)}\n")


if __name__ == "__main__":
    main()
