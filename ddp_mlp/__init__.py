"""Train multi-layer perceptrons data-parallel over MPI, to the same bits on any number of ranks."""

__all__ = ["__version__"]


def __getattr__(name: str) -> str:
    """Look up the version when it is asked for: to search the installed packages takes a while."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version

    return version("ddp-mlp")
