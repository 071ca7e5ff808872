"""Joining the world that a launcher started, and leaving it whatever happens."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from ddp_mlp.comm.agreement import is_agreed
from ddp_mlp.comm.launcher import expected_world_size, launcher_rank
from ddp_mlp.comm.protocol import Communicator
from ddp_mlp.comm.single import SingleProcess
from ddp_mlp.comm.watchdog import DEFAULT_TIMEOUT_S
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
    comm = MpiCommunicator(
        launcher_rank(environment),
        expected,
        timeout_s=_seconds(environment.get("DDP_MLP_TRAIN_TIMEOUT_S", "")),
        ranks_per_node=int(environment.get("DDP_MLP_RANKS_PER_NODE", "0")),
    )
    if comm.world_size != expected:
        raise LaunchError(
            f"the launcher started {expected} processes, but MPI sees a world of {comm.world_size}: launcher and "
            "MPI library do not belong together; start with `ddp-mlp launch`, which finds the right one, or in a Slurm "
            "job with srun --mpi=pmi2 (MPICH) or mpirun (Open MPI), as `ddp-mlp slurm script` does"
        )
    return comm


def _seconds(text: str) -> float:
    """Return the time-out of the environment, or the usual one where loading the configuration will object."""
    try:
        return max(0.0, float(text or DEFAULT_TIMEOUT_S))
    except ValueError:
        return DEFAULT_TIMEOUT_S


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
    where = f"[rank {comm.rank}/{comm.world_size} on {comm.host}, {comm.standing.where}]"
    if isinstance(error, DdpMlpError):
        said = f"error {where}: {error}\n"
    else:
        kind = type(error).__name__
        said = f"{''.join(traceback.format_exception(error))}error {where}: {kind}: {error}\n"
    sys.stderr.write(said)  # at once, or the lines of ranks mingle
    sys.stderr.flush()
