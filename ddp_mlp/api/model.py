"""A trained model in Python: its answers, its measures, and its knowledge of its data."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.api.answerer import Answerer, threads_of_answers
from ddp_mlp.api.config import Config
from ddp_mlp.api.failures import as_python_errors
from ddp_mlp.api.given import Part, is_path, is_table_file, rows_for_model
from ddp_mlp.api.parts import as_parts, from_parts, require_own_network
from ddp_mlp.api.progress import log
from ddp_mlp.checkpoint import model as files
from ddp_mlp.comm import SingleProcess
from ddp_mlp.core.layout import digest
from ddp_mlp.data.predictions import Answers
from ddp_mlp.data.schema import Schema
from ddp_mlp.durable import write_chosen
from ddp_mlp.errors import UsageError
from ddp_mlp.interop.export import export_model
from ddp_mlp.training.inference.answering import Answering
from ddp_mlp.training.inference.files import Rows, apply_model
from ddp_mlp.training.inference.memory import apply_in_memory


class Model(Answerer):
    """A trained network with its preprocessing; made by `train` and `load_model`.

    It answers in this process alone, whatever ranks there are, so each rank may ask it for other rows, or none. Its
    answers are the same bits for any number of threads.
    """

    def __init__(self, trained: files.Model) -> None:
        self._trained = trained
        self._answering: Answering | None = None

    @property
    def schema(self) -> Schema:
        """The description of the data it was trained on: task, names of features, targets and classes, units."""
        return self._trained.schema

    @property
    def config(self) -> Config:
        """The configuration of its training."""
        return Config.of(self._trained.config)

    @property
    def trained(self) -> files.Model:
        """All that its file holds."""
        return self._trained

    @property
    def weights_sha256(self) -> str:
        """Hash of its parameters, as ``train --json`` calls ``model_sha256``."""
        return digest(self._trained.parameters)

    def layers(self) -> list[tuple[NDArray[np.floating], NDArray[np.floating]]]:
        """Return copies of weight (n_in, n_out) and bias (n_out,) of each layer, for normalised features."""
        layout, vector = self._trained.network.layout, self._trained.parameters
        parts = [part.view(vector).copy() for part in layout.segments()]
        return list(zip(parts[::2], parts[1::2], strict=True))

    def _require_probabilities(self) -> None:
        if self._trained.network.output_threshold != 0.5:
            loss = self._trained.network.loss
            raise UsageError(f"the loss {loss} gives scores, no probabilities; call outputs, or predict for classes")

    def evaluate(self, X: Any, y: Any = None, *, threads: int | None = None) -> dict[str, Any]:
        """Return the metrics over all rows, as ``ddp-mlp evaluate --json`` prints them.

        Parameters
        ----------
        X : array-like, DataFrame, or path
        y : array-like of shape (n,) or (n, T), or name of a column of X, optional
            Classes or quantities. A file knows its targets; an autoencoder needs none.

        Raises
        ------
        DataError
            If rows or targets do not fit the model.
        """
        with as_python_errors():
            require_own_network(self._trained, "evaluate takes outputs for quantities; take score of the estimator")
            if is_path(X) and y is None:
                with apply_model(self._trained, Rows(str(X)), SingleProcess(), log) as applied:
                    return {"split": applied.split, **applied.evaluate()}
            data = rows_for_model(Part(X, y), self.schema, answers_only=self._trained.config.data.autoencode)
            n_threads = threads_of_answers(threads)
            return apply_in_memory(self._trained, data, log, threads=n_threads).evaluate()

    def _answers(self, X: Any, threads: int | None) -> Answers:
        network = self._trained.network
        if self._answering is not None and (few := self._answering.few(X)) is not None:
            return Answers(few, self.schema, network.output_threshold)
        with as_python_errors():
            if is_path(X) and not is_table_file(str(X)):
                with apply_model(self._trained, Rows(str(X), answers_only=True), SingleProcess(), log) as applied:
                    return Answers(applied.predict(), self.schema, network.output_threshold)
            self._answering = self._answering or Answering(self._trained, log)
            data = rows_for_model(Part(X), self.schema, answers_only=True)
            outputs = self._answering.many(data, threads_of_answers(threads))
            self._answering.knows(X)
            return Answers(outputs, self.schema, network.output_threshold)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model as one HDF5 file, which `load_model` and the command line read.

        Raises
        ------
        OutputError, StorageError
            If it cannot be written.
        """
        with as_python_errors():
            require_own_network(self._trained, "a model file has no word for them; pickle the estimator")
        write_chosen(Path(path), files.model_image(self._trained))

    def export(self, path: str | os.PathLike[str], format: str | None = None, *, check: bool = False) -> str:  # noqa: A002
        """Write the model, with its preprocessing, for other programs: ONNX, safetensors, NPZ, C, scikit-learn.

        Parameters
        ----------
        path : path
            A file there is replaced.
        format : str, optional
            "onnx", "safetensors", "npz", "c" or "sklearn"; by default that of the suffix: ``.onnx``, ``.safetensors``,
            ``.npz``, ``.h``, ``.skops``.
        check : bool
            Compare the answers of the file with those of `predict` before it is written.

        Returns
        -------
        str
            What its users must do themselves, such as fill missing values; empty if nothing.

        Raises
        ------
        UsageError
            If the format cannot hold this model, or its library is not installed.
        DataError
            If its answers are others, by more than 1e-5 of their spread.
        OutputError, StorageError
            If it cannot be written.
        """
        with as_python_errors():
            return export_model(self._trained, Path(path), format, check=check).remark

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (as_parts(self._trained),)

    def __repr__(self) -> str:
        schema, sizes = self.schema, self._trained.network.layout.sizes
        return f"<Model: {schema.task}, {' -> '.join(map(str, sizes))}, after epoch {self._trained.epoch}>"


def _restored(parts: dict[str, Any]) -> Model:
    """Return a model from the parts that a pickle of a user holds."""
    return Model(from_parts(parts))
