"""Faults on purpose, and figures of what came of them."""
