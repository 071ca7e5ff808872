"""Data sets that are in memory."""
