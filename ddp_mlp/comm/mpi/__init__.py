"""A world of MPI ranks; the only place that knows mpi4py.

Importing mpi4py's MPI starts it, and has it ended with Python, unless whoever imports it first says otherwise. So that
is said here, before any module of this room is loaded: `MpiJob` starts and ends MPI, under its watchdog.
"""

import mpi4py

mpi4py.rc.initialize = False
mpi4py.rc.finalize = False  # after a failure nobody may wait in it
