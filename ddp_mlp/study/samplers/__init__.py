"""Ways to choose the trials of a search."""
