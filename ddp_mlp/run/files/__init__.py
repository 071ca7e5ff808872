"""The run directory and its files: their contents, and who may write."""
