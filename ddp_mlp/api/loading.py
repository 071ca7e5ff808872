"""Loading a trained model, or an ensemble of them."""

from __future__ import annotations

import os
from pathlib import Path

from ddp_mlp.api.ensemble import Ensemble
from ddp_mlp.api.failures import as_python_errors
from ddp_mlp.api.model import Model
from ddp_mlp.checkpoint import ensemble as files


def load_model(location: str | os.PathLike[str]) -> Model | Ensemble:
    """Load a model: the best of a run directory, a checkpoint, a model file; or an ensemble.

    Both have `predict`, `predict_proba`, `evaluate`, `export` and `schema`; an `Ensemble` tells its spread too.

    Raises
    ------
    MissingInputError
        If it is not there.
    DataError
        If it is damaged or nothing of this program, or an ensemble is not whole.
    """
    with as_python_errors():
        trained = files.load_trained(Path(location))
    return Ensemble(trained) if isinstance(trained, files.Ensemble) else Model(trained)
