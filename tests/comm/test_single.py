"""A world of one: every collective is already done."""

from __future__ import annotations

import inspect
import os
import socket
import subprocess
import sys

import numpy as np
import pytest

from ddp_mlp.comm import Communicator, SingleProcess


@pytest.fixture
def comm() -> SingleProcess:
    return SingleProcess()


def test_place_in_the_world(comm: SingleProcess) -> None:
    assert (comm.rank, comm.world_size, comm.local_rank, comm.local_size) == (0, 1, 0, 1)
    assert (comm.node, comm.node_sizes) == (0, (1,))
    assert comm.host == socket.gethostname()


def test_it_has_all_that_a_communicator_has(comm: SingleProcess) -> None:
    for name, member in inspect.getmembers(Communicator):
        if name.startswith("_"):
            continue
        assert hasattr(comm, name), name
        if callable(member):
            assert inspect.signature(getattr(SingleProcess, name)) == inspect.signature(member), name


def test_collectives_leave_everything_as_it_is(comm: SingleProcess) -> None:
    for _ in range(2):
        table = np.arange(12.0).reshape(4, 3)
        comm.broadcast(table)
        comm.gather_rows(table, [4])
        comm.gather_rows_of_nodes(table, [4])
        np.testing.assert_array_equal(table, np.arange(12.0).reshape(4, 3))
        assert comm.share_text("grüß") == ["grüß"]
        comm.barrier()
        comm.node_barrier()


@pytest.mark.parametrize("n_bytes", [0, 1, 63, 64, 65, 1_000_003])
def test_shared_memory_is_zero_and_aligned(comm: SingleProcess, n_bytes: int) -> None:
    memory = comm.node_shared(n_bytes)
    assert (memory.dtype, memory.shape) == (np.uint8, (n_bytes,))
    assert memory.flags.writeable
    assert not memory.any()
    if n_bytes:
        assert memory.ctypes.data % 64 == 0
    memory[:] = 7
    assert not comm.node_shared(n_bytes).any(), "memory of its own each time"


def test_closing_changes_nothing(comm: SingleProcess) -> None:
    memory = comm.node_shared(10)
    comm.close()
    memory[:] = 1


def test_abort_ends_the_process_at_once() -> None:
    """No clean-up: under MPI others wait, and an exit handler could wait for them."""
    code = (
        "import atexit; from ddp_mlp.comm import SingleProcess\n"
        "atexit.register(print, 'cleaned up')\n"
        "try: SingleProcess().abort(79)\n"
        "finally: print('went on')"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (79, "")


def test_a_single_process_loads_no_mpi() -> None:
    code = "import sys, ddp_mlp.comm as c\nwith c.connect({}) as comm: pass\nprint('mpi4py' in sys.modules)"
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PMI_", "OMPI_", "SLURM_"))}
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True, env=environment
    )
    assert ended.stdout == "False\n"
