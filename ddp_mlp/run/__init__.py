"""One run in its directory: lock, files, saving, resuming, stopping."""
