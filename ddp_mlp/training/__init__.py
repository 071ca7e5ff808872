"""The training loop and what surrounds it: evaluation, checkpoints, the run directory."""
