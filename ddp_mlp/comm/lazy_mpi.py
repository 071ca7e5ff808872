"""MPI of mpi4py, which its import here neither starts nor has ended: `MpiJob` does both, under its watchdog.

Whoever imports mpi4py first decides that, so all others take it from here.
"""

from __future__ import annotations

import mpi4py

mpi4py.rc.initialize = False
mpi4py.rc.finalize = False  # after a failure nobody may wait in it

from mpi4py import MPI  # noqa: E402

__all__ = ["MPI"]
