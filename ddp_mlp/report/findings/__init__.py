"""Findings about a run and its data: answers and their quality, the importance of features, the health of data."""
