"""One contract for every communicator: a single process, threads, ranks of MPI, on one node and on several."""

from __future__ import annotations

from pathlib import Path

import pytest

from ddp_mlp.comm import SingleProcess
from tests.comm.contract import keep_contract
from tests.runs import on_ranks
from tests.thread_world import run_ranks
from tests.tiers import thorough


def test_alone() -> None:
    keep_contract(SingleProcess())


@pytest.mark.parametrize("node_sizes", [(1,), (3,), (1, 1), (2, 1), (1, 3, 3)])
def test_threads(node_sizes: tuple[int, ...]) -> None:
    run_ranks(node_sizes, keep_contract)


@pytest.mark.mpi
@pytest.mark.parametrize(
    ("ranks", "per_node", "nodes"),
    [
        (1, 0, [1]),
        (2, 0, [2]),
        (3, 0, [3]),
        (4, 0, [4]),
        (2, 1, [1, 1]),
        (3, 2, [2, 1]),
        (4, 1, [1, 1, 1, 1]),
        (4, 2, [2, 2]),
        (4, 3, [3, 1]),
        thorough(7, 3, [3, 3, 1]),
    ],
)
def test_ranks(tmp_path: Path, ranks: int, per_node: int, nodes: list[int]) -> None:
    emulated = {"DDP_MLP_RANKS_PER_NODE": str(per_node)} if per_node else {}
    done = on_ranks("tests.comm.contract", cwd=tmp_path, ranks=ranks, **emulated)
    assert (done.code, done.out) == (0, f"kept by {ranks} ranks on nodes of {nodes}\n"), done.err
