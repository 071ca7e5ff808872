"""The training loop: the problem, its state, the steps of an epoch, reports."""
