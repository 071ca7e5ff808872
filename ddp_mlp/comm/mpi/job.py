"""The job that a launcher started, as one of its processes sees it: MPI from its start to its end, under a watchdog."""

from __future__ import annotations

import ctypes
import os
import signal
import time

from mpi4py import MPI

from ddp_mlp.comm.liveness.rank_status import RankStatus
from ddp_mlp.comm.liveness.watchdog import Watchdog
from ddp_mlp.comm.mpi.slurm_pmi import fitting_lines

#: Launchers that are told to end a job may drop what its ranks have just said.
_LAST_WORDS_S = 0.2
#: After how many seconds the system ends a rank that MPI does not end.
_LAST_RESORT_S = 2


def _start_mpi() -> bool:
    """Collective. Start MPI; return whether a second thread may use it, as the watchdog does.

    mpi4py would hold the interpreter while it waits for ranks that do not come, and with it
    the watchdog; a call through ctypes does not.
    """
    if MPI.Is_initialized():  # by a script that uses mpi4py itself, which then ends it too
        MPI.COMM_WORLD.Set_errhandler(MPI.ERRORS_RETURN)
        return MPI.Query_thread() == MPI.THREAD_MULTIPLE
    provided = ctypes.c_int()
    library = ctypes.CDLL(MPI.__file__)
    with fitting_lines(os.environ):
        library.MPI_Init_thread(None, None, ctypes.c_int(MPI.THREAD_MULTIPLE), ctypes.byref(provided))
    MPI.COMM_WORLD.Set_errhandler(MPI.ERRORS_RETURN)  # mpi4py makes exceptions of them
    return provided.value == MPI.THREAD_MULTIPLE


def _end_mpi() -> None:
    """Collective. End MPI; as in `_start_mpi`, a rank that does not come does not hold up the watchdog."""
    ctypes.CDLL(MPI.__file__).MPI_Finalize()


class MpiJob:
    """One process of a job.

    Parameters
    ----------
    rank, world_size : int
        As the launcher says, for messages until MPI is up.
    timeout_s : float
        Seconds that a collective may wait, at first.

    Attributes
    ----------
    rank_status : RankStatus
    watchdog : Watchdog
    is_concurrent : bool
        Whether a second thread may use MPI.
    """

    def __init__(self, rank: int, world_size: int, timeout_s: float) -> None:
        self._is_closing = False
        self.rank_status = RankStatus()
        self.watchdog = Watchdog(self.rank_status, rank, world_size, self.abort)
        self.watchdog.start(timeout_s)
        with self.rank_status.waiting("the start of MPI"):
            self.is_concurrent = _start_mpi()

    def abort(self, exit_code: int) -> None:
        """End all ranks at once; for a rank that fails alone."""
        signal.alarm(_LAST_RESORT_S)
        time.sleep(_LAST_WORDS_S)
        self.watchdog.wake_launcher()
        if MPI.Is_initialized() and not self._is_closing:
            MPI.COMM_WORLD.Abort(exit_code)
        os._exit(exit_code)  # the launcher ends the others

    def end(self) -> None:
        """Collective. End MPI."""
        self._is_closing = True
        self.watchdog.part()
        _end_mpi()
