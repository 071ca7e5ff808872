"""MATLAB files up to version 7, read by SciPy in a process of its own."""
