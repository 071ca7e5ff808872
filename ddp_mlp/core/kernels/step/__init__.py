"""One optimiser step of a worker, phase by phase."""
