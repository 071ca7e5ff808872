"""The guarded door to HDF5: files, arrays and attributes of strangers, read within bounds."""
