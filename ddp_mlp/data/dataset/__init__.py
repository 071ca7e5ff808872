"""Data sets in HDF5: found, described, checked, read, and written."""
