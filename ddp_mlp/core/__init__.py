"""Numerics: what a step computes, without MPI, files or clock."""
