"""Predicting and choosing how many ranks and threads a run should have."""
