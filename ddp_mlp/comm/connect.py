"""Joining the world that a launcher started, and leaving it whatever happens."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial

from ddp_mlp.comm.agreement import agreed, is_agreed
from ddp_mlp.comm.launcher import Place, place_of, ranks_per_node
from ddp_mlp.comm.liveness.lifeline import end_with_launcher
from ddp_mlp.comm.liveness.watchdog import DEFAULT_TIMEOUT_S, within
from ddp_mlp.comm.protocol import Communicator
from ddp_mlp.comm.single import SingleProcess
from ddp_mlp.errors import DdpMlpError, LaunchError, StoppedError, UsageError, printable
from ddp_mlp.unforeseen import plain_error, shows_tracebacks, traceback_of

_SAID = "said by rank 0"
#: Seconds for a report that nobody may read.
_LAST_WORDS_S = 2.0


def _join(environment: Mapping[str, str]) -> Communicator:
    end_with_launcher(environment)
    place = place_of(environment)
    if place is None:
        return SingleProcess()
    if place.is_answered is False:
        raise LaunchError(
            f"{', '.join(place.variables)} say that this is rank {place.rank} of {place.world_size}, but no launcher "
            f"answers: they are left over from another program; {_alone(place)}"
        )
    try:
        from ddp_mlp.comm.mpi.communicator import join
    except (ImportError, RuntimeError) as error:  # mpi4py raises RuntimeError where no library is found
        reason = str(error).splitlines()[0]
        raise LaunchError(
            f"the launcher started {place.world_size} processes, but no MPI library can be loaded ({reason}); "
            f'install one with: pip install "ddp-mlp[mpich]"; {_alone(place)}'
        ) from None
    if signal.SIGTERM in signal.sigpending():
        raise _ended_before_it_began(place)
    comm = join(
        place.rank,
        place.world_size,
        timeout_s=_seconds(environment.get("DDP_MLP_TRAIN_TIMEOUT_S", "")),
        ranks_per_node=_per_node(environment),
    )
    if comm.world_size != place.world_size:
        raise LaunchError(
            f"the launcher started {place.world_size} processes, but MPI sees a world of {comm.world_size}: launcher "
            "and MPI library do not belong together; start with `ddp-mlp launch`, which finds the right one, or in a "
            f"Slurm job with srun --mpi=pmi2 (MPICH) or mpirun (Open MPI), as `ddp-mlp slurm script` does; "
            f"{_alone(place)}"
        )
    return comm


def _ended_before_it_began(place: Place) -> StoppedError:
    """Return the error of a rank that was told to end, and has kept that in mind, before there is a world to tell.

    It must not join one: Open MPI's launcher, which tells all ranks to end when one has failed,
    waits for ever if one of them comes to it afterwards.
    """
    error = StoppedError("told to end by SIGTERM before the ranks had met; nothing was begun, nothing is lost")
    if place.rank != 0:  # told as all are
        error.add_note(_SAID)
    return error


def _alone(place: Place) -> str:
    """Return how to go on without the ranks that an environment tells of."""
    unset = " ".join(f"-u {name}" for name in place.variables)
    return f"to run alone: ddp-mlp launch -n 1 ..., or env {unset} ddp-mlp ..."


def _per_node(environment: Mapping[str, str]) -> int:
    """Return the size of emulated nodes, 0 where `connect` will object."""
    with suppress(UsageError):
        return ranks_per_node(environment)
    return 0


def _seconds(text: str) -> float:
    """Return the time-out of the environment, or the usual one where loading the configuration will object."""
    from ddp_mlp.config.bounds import objection  # with msgspec, which the command line starts without
    from ddp_mlp.config.schema import Timeout

    try:
        seconds = float(text)
    except ValueError:
        return DEFAULT_TIMEOUT_S
    return DEFAULT_TIMEOUT_S if objection(seconds, Timeout) else seconds


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
    UsageError
        If the environment asks for nodes of no size.
    """
    comm = _join(environment)
    try:
        with agreed(comm):
            ranks_per_node(environment)
        yield comm
        comm.close()
    except BaseException as error:
        if comm.world_size > 1 and not is_agreed(error):
            within(_LAST_WORDS_S, partial(_report_alone, comm, error))
            comm.abort(plain_error(error).exit_code)
        if comm.rank != 0:
            error.add_note(_SAID)
        with suppress(Exception):  # the first error is the one to tell
            comm.close()
        raise


def is_said_by_rank_0(error: BaseException) -> bool:
    """Tell whether this process joined a world whose rank 0 has met the same error, and says so."""
    return _SAID in getattr(error, "__notes__", ())


def _report_alone(comm: Communicator, error: BaseException) -> None:
    shown = f"{traceback_of(error)}\n" if shows_tracebacks() and not isinstance(error, DdpMlpError) else ""
    where = f"[rank {comm.rank}/{comm.world_size} on {comm.host}, {comm.rank_status.where}]"
    said = "\n".join(map(printable, str(plain_error(error)).split("\n")))
    sys.stderr.write(f"{shown}error {where}: {said}\n")  # at once, or the lines of ranks mingle
    sys.stderr.flush()
