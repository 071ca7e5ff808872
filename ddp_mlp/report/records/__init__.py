"""Runs as their files tell them, one by one and beside each other."""
