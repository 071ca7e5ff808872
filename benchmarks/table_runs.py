"""One split of a table: as a file of HDF5, trained on with a configuration that names the file, and by scikit-learn."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import h5py
import numpy as np

from benchmarks.table_sources import Source, arrays

#: Part of the rows that no training sees.
TEST_PART = 0.25


def prepare(source: Source, split: int, scratch: Path) -> Path:
    """Write a split of a table, where it is not there yet, and return its file."""
    from sklearn.model_selection import train_test_split

    path = scratch / f"{source.name.replace(' ', '-')}-{split}.h5"
    if path.exists():
        return path
    x, y = arrays(source)
    classes = None if source.is_regression else y
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=TEST_PART, random_state=split, stratify=classes)
    unfinished = path.with_suffix(".part")
    with h5py.File(unfinished, "w") as file:
        task = "regression" if source.is_regression else "binary" if y.max() == 1 else "multiclass"
        file.attrs.update(format="ddp-mlp-dataset", format_version=1, task=task, source=source.name)
        for name, features, targets in (("train", x_train, y_train), ("test", x_test, y_test)):
            file[f"{name}/features"], file[f"{name}/targets"] = features, targets
    unfinished.rename(path)
    return path


def train_ours(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Train with nothing but the name of the file, and return the test score."""
    from ddp_mlp.comm import connect
    from ddp_mlp.config import load_config
    from ddp_mlp.errors import NonFiniteError
    from ddp_mlp.run.run import Run, RunOptions
    from ddp_mlp.training.inference.files import Rows, apply_model

    with TemporaryDirectory(dir=path.parent) as directory, connect({}) as comm:
        toml, out = Path(directory) / "c.toml", Path(directory) / "run"
        toml.write_text(f"[data]\ntrain = '{path}'\n")
        config, said = load_config(toml, overrides, {}), []
        started = process_time()
        try:
            summary = Run(config, RunOptions(out), comm, said.append).execute(lambda report: None)  # noqa: ARG005
        except NonFiniteError:
            return {"score": None, "seconds": process_time() - started, "steps": 0, "epochs": 0, "status": "diverged"}
        seconds = process_time() - started
        with apply_model(out, Rows(str(path), "test"), comm, said.append) as applied:
            result = applied.evaluate()
    return {
        "score": result["rmse"] if "rmse" in result else result["accuracy"],
        "seconds": seconds,
        "steps": summary["steps"],
        "epochs": summary["epochs"],
        "best_epoch": summary["best_epoch"],
        "status": summary["status"],
        "said": said,
    }


def train_theirs(path: Path, split: int) -> dict[str, Any]:
    """Train scikit-learn's network at its defaults on the same rows, standardised, and return the test score."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    with h5py.File(path) as file:
        is_regression = file.attrs["task"] == "regression"
        (x, y), (x_test, y_test) = (
            [file[f"{part}/{n}"][:] for n in ("features", "targets")] for part in ("train", "test")
        )
    kind = MLPRegressor if is_regression else MLPClassifier
    model = make_pipeline(StandardScaler(), kind(random_state=split))
    started = process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that 200 epochs were not enough
        model.fit(x, y)
    seconds = process_time() - started
    answers = model.predict(x_test)
    score = np.sqrt(np.mean((answers - y_test) ** 2)) if is_regression else np.mean(answers == y_test)
    return {"score": float(score), "seconds": seconds, "epochs": model[-1].n_iter_}
