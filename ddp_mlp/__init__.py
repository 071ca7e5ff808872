"""Train multi-layer perceptrons data-parallel over MPI, to the same bits on any number of ranks."""

from importlib.metadata import version

__version__ = version("ddp-mlp")

__all__ = ["__version__"]
