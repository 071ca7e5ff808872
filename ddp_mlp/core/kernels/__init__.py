"""Every jitted function of the package, and the only place that knows Numba.

Importing this room compiles nothing, and neither do calls: see `machine_code`.
"""
