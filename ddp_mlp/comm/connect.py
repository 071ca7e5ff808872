"""Joining the world that a launcher started, and leaving it whatever happens."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from ddp_mlp.comm.agreement import is_agreed
from ddp_mlp.comm.launcher import expected_world_size
from ddp_mlp.comm.protocol import Communicator
from ddp_mlp.comm.single import SingleProcess
from ddp_mlp.errors import DdpMlpError, LaunchError


def _join(environment: Mapping[str, str]) -> Communicator:
    expected = expected_world_size(environment)
    if expected <= 1:
        return SingleProcess()
    try:
        from ddp_mlp.comm.mpi import MpiCommunicator
    except (ImportError, RuntimeError) as error:  # mpi4py raises RuntimeError where no library is found
        reason = str(error).splitlines()[0]
        raise LaunchError(
            f"the launcher started {expected} processes, but no MPI library can be loaded ({reason}); "
            'install one with: pip install "ddp-mlp[mpich]"'
        ) from None
    comm = MpiCommunicator(int(environment.get("DDP_MLP_RANKS_PER_NODE", "0")))
    if comm.world_size != expected:
        raise LaunchError(
            f"the launcher started {expected} processes, but MPI sees a world of {comm.world_size}: launcher and "
            "MPI library do not belong together; start with `ddp-mlp launch`, which finds the right one"
        )
    return comm


@contextmanager
def connect(environment: Mapping[str, str] = os.environ) -> Iterator[Communicator]:
    """Collective. Join the world, and end it in order or not at all.

    An error that all ranks agreed on leaves this block on every rank. Any other exception
    is this rank's alone: it is reported with rank and host, and the whole job is aborted,
    because the other ranks would wait for this one for ever.

    Raises
    ------
    LaunchError
        If the MPI library and the launcher do not belong together.
    """
    comm = _join(environment)
    try:
        yield comm
    except BaseException as error:
        if comm.world_size > 1 and not is_agreed(error):
            _report_alone(comm, error)
            comm.abort(error.exit_code if isinstance(error, DdpMlpError) else 70)
        comm.close()
        raise
    comm.close()


def _report_alone(comm: Communicator, error: BaseException) -> None:
    where = f"[rank {comm.rank}/{comm.world_size} on {comm.host}]"
    if isinstance(error, DdpMlpError):
        print(f"error {where}: {error}", file=sys.stderr, flush=True)  # noqa: T201
        return
    traceback.print_exception(error)
    print(f"error {where}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)  # noqa: T201
