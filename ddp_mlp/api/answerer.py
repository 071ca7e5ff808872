"""Whatever answers rows in Python: one network or several."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.api.failures import as_python_errors
from ddp_mlp.data.class_values import class_values
from ddp_mlp.data.predictions import Answers
from ddp_mlp.data.schema import Schema
from ddp_mlp.errors import UsageError


class Answerer:
    """The part of models and ensembles that gives answers; they say how in `_answers`.

    It answers in this process alone, whatever ranks there are, so each rank may ask it for other rows, or none. Its
    answers are the same bits for any number of threads.
    """

    _classes: NDArray[Any] | None = None

    @property
    def schema(self) -> Schema:
        """The description of the data it was trained on: task, names of features, targets and classes, units."""
        raise NotImplementedError

    def _answers(self, X: Any, threads: int | None) -> Answers:
        raise NotImplementedError

    def _require_probabilities(self) -> None:
        """Raise UsageError if the outputs are no probabilities of classes."""
        raise NotImplementedError

    @property
    def classes(self) -> NDArray[Any] | None:
        """The classes in their order, shape (C,): text where text trained it, else as their names read.

        Those read as whole numbers or booleans where all of them are such.

        It is None for quantities.
        """
        if self._classes is None:
            self._classes = class_values(self.schema)
        return self._classes

    def predict(self, X: Any, *, threads: int | None = None) -> NDArray[Any]:
        """Return the answer for each row: its class, or its quantities in units of the data.

        Parameters
        ----------
        X : array-like of shape (n, F), DataFrame, or path
            Columns of DataFrames and tables are found by name, and need no encoding; of arrays, by position.
        threads : int, optional
            That compute; by default as many as there are cores for this process.

        Returns
        -------
        ndarray
            Classes, shape (n,); quantities, shape (n,) of one target and (n, T) of several.

        Raises
        ------
        DataError
            If columns are missing, strange or of another number, values are not finite, or so large that a row has
            no class.
        """
        return self._chosen(self._answers(X, threads))

    def _chosen(self, answers: Answers) -> NDArray[Any]:
        """Return the class of each row, or its quantities."""
        with as_python_errors():
            labels, classes = answers.labels(), self.classes
        if labels is not None and classes is not None:
            return np.asarray(classes[labels])
        outputs = answers.outputs
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs

    def predict_proba(self, X: Any, *, threads: int | None = None) -> NDArray[np.floating]:
        """Return the probability of each class, shape (n, C), in the order of `classes`.

        Raises
        ------
        UsageError
            If the model answers quantities, or scores that are no probabilities.
        DataError
            As `predict`.
        """
        with as_python_errors():
            if self.schema.task == "regression":
                raise UsageError("predict_proba is for classes, but the model answers quantities; call predict")
            self._require_probabilities()
        outputs = self.outputs(X, threads=threads)
        return outputs if outputs.shape[1] > 1 else np.hstack([1 - outputs, outputs])

    def outputs(self, X: Any, *, threads: int | None = None) -> NDArray[np.floating]:
        """Return the outputs of the network as they are, shape (n, n_outputs), quantities in units of the data."""
        return self._answers(X, threads).outputs


def threads_of_answers(wanted: int | None) -> int:
    """Return how many threads compute: as said, else as many as there are cores for this process."""
    return wanted or len(os.sched_getaffinity(0))
