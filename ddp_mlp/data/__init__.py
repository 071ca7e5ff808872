"""Data sets: their files, their schema, and their way into memory; the only place of HDF5."""
