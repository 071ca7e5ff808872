"""The formats of other programs, one module for each."""
