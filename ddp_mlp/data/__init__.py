"""Data sets: what is in a file, and how it gets into memory; the only place of HDF5."""
