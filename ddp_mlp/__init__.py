"""Train multi-layer perceptrons data-parallel over MPI, to the same bits on any number of ranks.

::

    import ddp_mlp

    config = ddp_mlp.Config.from_toml("c.toml", {"optimizer.learning_rate": 0.01})
    result = ddp_mlp.train(config, out="runs/a", threads=2)      # the same script under python and mpiexec -n 4
    result.history["valid_loss"], result.model, result.summary, result.weights_sha256

    for report in ddp_mlp.training(config, data=(X, y), valid=(Xv, yv)):    # arrays and DataFrames
        ...                                                                 # stop when you like

    model = ddp_mlp.load_model("runs/a")
    model.predict(X), model.predict_proba(X), model.evaluate(X, y), model.schema, model.export("m.onnx")

Importing the package starts no MPI and compiles nothing. Errors are those of the command line, with the same words;
see `DdpMlpError` for their tree. ``docs/python.md`` has more.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ddp_mlp.api.config import Config
    from ddp_mlp.api.ensemble import Ensemble
    from ddp_mlp.api.foreign import from_sklearn, from_torch, import_model
    from ddp_mlp.api.loading import load_model
    from ddp_mlp.api.loop import Training
    from ddp_mlp.api.model import Model
    from ddp_mlp.api.result import Result
    from ddp_mlp.api.training import train, training
    from ddp_mlp.errors import (
        CheckpointError,
        CollectiveTimeoutError,
        DataError,
        DdpMlpError,
        LaunchError,
        MissingInputError,
        NonFiniteError,
        OutputError,
        StoppedError,
        StorageError,
        UsageError,
    )
    from ddp_mlp.estimators.classifier import MLPClassifier
    from ddp_mlp.estimators.regressor import MLPRegressor
    from ddp_mlp.training.report import Report

    __version__: str

__all__ = [
    "CheckpointError",
    "CollectiveTimeoutError",
    "Config",
    "DataError",
    "DdpMlpError",
    "Ensemble",
    "LaunchError",
    "MLPClassifier",
    "MLPRegressor",
    "MissingInputError",
    "Model",
    "NonFiniteError",
    "OutputError",
    "Report",
    "Result",
    "StoppedError",
    "StorageError",
    "Training",
    "UsageError",
    "__version__",
    "from_sklearn",
    "from_torch",
    "import_model",
    "load_model",
    "train",
    "training",
]

#: The module of each public name that is no error.
_PLACES = {
    "Config": "ddp_mlp.api.config",
    "Ensemble": "ddp_mlp.api.ensemble",
    "from_sklearn": "ddp_mlp.api.foreign",
    "from_torch": "ddp_mlp.api.foreign",
    "import_model": "ddp_mlp.api.foreign",
    "Model": "ddp_mlp.api.model",
    "load_model": "ddp_mlp.api.loading",
    "MLPClassifier": "ddp_mlp.estimators.classifier",
    "MLPRegressor": "ddp_mlp.estimators.regressor",
    "Report": "ddp_mlp.training.report",
    "Result": "ddp_mlp.api.result",
    "Training": "ddp_mlp.api.loop",
    "train": "ddp_mlp.api.training",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, so that importing the package costs nothing."""
    if name == "__version__":
        from importlib.metadata import version

        return version("ddp-mlp")
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    if name == "training":  # a room, which can be called
        return import_module("ddp_mlp.training")
    return getattr(import_module(_PLACES.get(name, "ddp_mlp.errors")), name)


def __dir__() -> list[str]:
    """Return the public names."""
    return [*__all__, "__doc__", "__file__", "__name__", "__path__"]
