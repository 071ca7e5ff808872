"""Configurations on ranks that a launcher started: one world after the other works through many.

A program for the launcher: python -m tests.faults.launched FILE, whose lines are jobs. Memory that
the ranks of a node share is a file that each of them maps between guarded pages.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec import to_builtins
from msgspec.structs import replace

from tests.faults.cases import Case, Layout, case_from, random_case
from tests.inside import clean_environment

if TYPE_CHECKING:
    from ddp_mlp.comm.mpi.communicator import MpiCommunicator
    from tests.faults.configurations import Found

#: Ranks, and ranks of a node.
WORLDS = ((2, 2), (2, 1), (3, 2), (4, 2))
#: Seconds for a world to start, and for each of its cases.
_DEADLINE_S = 120.0, 10.0
_NONE, _SHARED_FIXED = 0, 0x11
_READ_WRITE = 3


def run_launched(seeds: Sequence[int], found: Found) -> None:
    """Run cases on ranks, shared out over the worlds; a world that ends before it is done is started again behind."""
    for at, (ranks, per_node) in enumerate(WORLDS):
        jobs = list(_jobs(seeds[at :: len(WORLDS)], ranks, per_node))
        while jobs:
            results, how = _run_world(ranks, per_node, jobs)
            for (case, _), failure in zip(jobs, results, strict=False):
                found.note(case, failure, "processes of a launcher")
            jobs = jobs[len(results) :]
            if jobs:
                found.note(jobs.pop(0)[0], how, "processes of a launcher")


def _jobs(seeds: Sequence[int], ranks: int, per_node: int) -> Iterator[tuple[Case, dict[str, str]]]:
    """Yield cases with one layout of this world, and what they give on one rank."""
    from tests.faults.case_runs import run_in_threads
    from tests.faults.forked import Forked

    sizes = tuple(min(per_node, ranks - first) for first in range(0, ranks, per_node))
    alone = Forked(lambda raw: run_in_threads(case_from(raw), Layout()))
    for seed in seeds:
        case = random_case(seed)
        layout = next((layout for layout in case.layouts[1:] if len(layout.node_sizes) > 1), case.layouts[1])
        threads = 1 + seed % 2
        shares = {} if len(sizes) > 1 else {"shards": False, "overlaps": False}
        layout = replace(layout, node_sizes=sizes, threads=threads, **shares)
        if layout.workers <= case.micro_batches:
            case = replace(case, layouts=(case.layouts[0], layout))
            alone.give(to_builtins(case))
            yield case, alone.result(_DEADLINE_S[0])
    alone.end()


def _run_world(ranks: int, per_node: int, jobs: Sequence[tuple[Case, dict[str, str]]]) -> tuple[list[str], str]:
    """Return what came of the jobs that were done, and how the world ended."""
    from ddp_mlp.cluster.launch.launch import launch_environment, ranks_command
    from ddp_mlp.cluster.launch.launchers import find_launcher

    launcher = find_launcher()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "jobs"
        path.write_text("".join(f"{json.dumps([to_builtins(case), expected])}\n" for case, expected in jobs))
        root = {"PYTHONPATH": str(Path(__file__).parents[2]), "DDP_MLP_RANKS_PER_NODE": str(per_node)}
        command = ranks_command(launcher, ranks, ["-m", "tests.faults.launched", str(path)])
        process = subprocess.Popen(
            command,
            env=launch_environment(launcher, 1, {**clean_environment(), **root}),
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            out, _ = process.communicate(timeout=_DEADLINE_S[0] + _DEADLINE_S[1] * len(jobs))
            how = f"the world ended with exit code {process.returncode}"
        except subprocess.TimeoutExpired as late:
            out, how = (late.stdout or b"").decode(), "no end in time"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            process.wait()
    return [json.loads(line) for line in out.splitlines()], how


class _SharedPages:
    """Memory of a node between guarded pages of each process that maps it."""

    def __init__(self, comm: MpiCommunicator) -> None:
        self._comm, self._libc, self._count = comm, ctypes.CDLL(None), 0
        self._libc.mmap.restype = ctypes.c_void_p
        self._libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *(ctypes.c_int,) * 3, ctypes.c_long)
        self._libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
        self._maps: list[tuple[int, int]] = []
        self.side = 0

    def node_shared(self, n_bytes: int, *, zeroed: bool = True) -> np.ndarray:
        """Collective. Return memory that begins, or ends, at a guarded page."""
        page = mmap.PAGESIZE
        room = max(1, -(-n_bytes // page)) * page
        handle = os.memfd_create("guarded") if self._comm.local_rank == 0 else -1
        places = self._comm.share_text(f"/proc/{os.getpid()}/fd/{handle}")
        first = self._comm.rank - self._comm.local_rank
        if handle >= 0:
            os.ftruncate(handle, room)
            if not zeroed:
                os.pwrite(handle, b"\xff" * room, 0)
        self._comm.node_barrier()
        mine = handle if handle >= 0 else os.open(places[first], os.O_RDWR)
        base = self._libc.mmap(None, room + 2 * page, _NONE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
        self._libc.mmap(base + page, room, _READ_WRITE, _SHARED_FIXED, mine, 0)
        self._comm.node_barrier()  # until all have opened it
        os.close(mine)
        self._maps.append((base, room + 2 * page))
        begin = base + page + (0 if self.side else room - n_bytes)
        return np.frombuffer((ctypes.c_uint8 * n_bytes).from_address(begin), np.uint8)

    def release(self) -> None:
        """Collective. Unmap all of it; whoever touches it afterwards crashes."""
        self._comm.node_barrier()
        for base, size in self._maps:
            self._libc.munmap(base, size)
        self._maps.clear()


def main() -> None:
    """Run the jobs of a file on all ranks; rank 0 says for each in one line what differs."""
    from ddp_mlp.comm import connect
    from tests.faults.case_runs import differing, run_on_rank
    from tests.faults.configurations import ready

    with connect() as comm:
        if comm.rank == 0:
            ready()
        comm.barrier()
        if comm.rank != 0:
            ready()
        memory = _SharedPages(comm)  # type: ignore[arg-type]
        comm.node_shared = memory.node_shared  # type: ignore[method-assign]
        for line in Path(sys.argv[1]).read_text().splitlines():
            raw, expected = json.loads(line)
            case = case_from(raw)
            memory.side = case.layouts[1].side
            found: Any = run_on_rank(case, case.layouts[1], comm)
            memory.release()
            if comm.rank == 0:
                sys.stdout.write(json.dumps(differing(expected, found, case.layouts[1])) + "\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
