"""Data sets that are made, not read: the digits that ship, and synthetic ones."""
