"""Numerics: the arithmetic of a step, without MPI, files or clock."""
