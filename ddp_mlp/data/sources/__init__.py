"""Sources of rows: each module turns one format into a `Source` and knows nothing of HDF5."""
