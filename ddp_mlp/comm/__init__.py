"""Ranks that talk to each other; the only place that knows MPI."""

from ddp_mlp.comm.agreement import agreed, is_agreed, known_to_all
from ddp_mlp.comm.connect import connect, is_said_by_rank_0
from ddp_mlp.comm.consistency import require_same
from ddp_mlp.comm.protocol import Communicator
from ddp_mlp.comm.single import SingleProcess

__all__ = [
    "Communicator",
    "SingleProcess",
    "agreed",
    "connect",
    "is_agreed",
    "is_said_by_rank_0",
    "known_to_all",
    "require_same",
]
