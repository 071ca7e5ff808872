"""The training loop: the problem, its state, the steps of an epoch, reports.

Users know the name as that of a function, ``ddp_mlp.training(config, ...)``, so this room can be called: it does what
`ddp_mlp.api.training.training` does.
"""

import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    """A room that stands for the function of its name."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Return an iterator of reports that trains while it is iterated over."""
        from importlib import import_module

        return import_module("ddp_mlp.api.training").training(*args, **options)


sys.modules[__name__].__class__ = _Callable
