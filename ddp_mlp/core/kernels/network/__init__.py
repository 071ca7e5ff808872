"""Layers of a network: forward and backward, activations, losses, dropout."""
