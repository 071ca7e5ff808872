"""Ranks that talk to each other; the only place that knows MPI."""

from ddp_mlp.comm.agreement import agreed, known_to_all
from ddp_mlp.comm.connect import connect
from ddp_mlp.comm.protocol import Communicator
from ddp_mlp.comm.single import SingleProcess

__all__ = ["Communicator", "SingleProcess", "agreed", "connect", "known_to_all"]
