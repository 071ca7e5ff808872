"""Every jitted function of the package, and the only place that knows Numba.

Importing this room compiles nothing, and neither do calls: see `machine_code`. Numba is for compiling only: what Python
shares with kernels, constants and tables, `entry_points` and `machine_code` do without it, so that a start does too.
"""
