"""One optimiser step, within a node and between nodes."""
