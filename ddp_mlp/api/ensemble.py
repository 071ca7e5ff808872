"""Several networks that answer together, in Python."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ddp_mlp.api.answerer import Answerer, threads_of_answers
from ddp_mlp.api.failures import as_python_errors
from ddp_mlp.api.given import Part, is_path, is_table_file, rows_for_model
from ddp_mlp.api.model import Model
from ddp_mlp.api.parts import as_parts, from_parts
from ddp_mlp.api.progress import log
from ddp_mlp.checkpoint import ensemble as files
from ddp_mlp.comm import SingleProcess
from ddp_mlp.core.ensembles.spread import Combined, joined
from ddp_mlp.data.predictions import Answers
from ddp_mlp.data.schema import Schema
from ddp_mlp.interop.export import export_model
from ddp_mlp.training.inference.answering_together import AnsweringTogether
from ddp_mlp.training.inference.files import Rows, apply_model
from ddp_mlp.training.inference.memory import apply_in_memory


class Ensemble(Answerer):
    """Networks that answer together: their mean, and how far they are from each other; made by `load_model`.

    It answers in this process alone, as a `Model` does, and its answers are the same bits for any number of threads.
    """

    def __init__(self, trained: files.Ensemble) -> None:
        self._trained = trained
        self._answering: AnsweringTogether | None = None

    @property
    def schema(self) -> Schema:
        """The description of the data that all members were trained on."""
        return self._trained.schema

    @property
    def members(self) -> tuple[Model, ...]:
        """Its networks, each a model by itself, in the order in which their answers are added."""
        return tuple(map(Model, self._trained.members))

    def predict_with_spread(self, X: Any, *, threads: int | None = None) -> tuple[NDArray[Any], dict[str, Any]]:
        """Return the answers of `predict`, and how far the members are from each other.

        Parameters
        ----------
        X, threads
            As of `predict`.

        Returns
        -------
        answers : ndarray
            Classes, shape (n,), of the mean probabilities; or mean quantities, shape (n,) or (n, T).
        spread : dict of str to ndarray of float64
            Of quantities ``std``, shaped as the answers: the sample standard deviation of the members, in their units.
            Of classes ``entropy`` (n,), in nats, of the mean probabilities, and ``disagreement`` (n,), the part of the
            members, in [0, 1], whose class is another.

        Raises
        ------
        DataError
            As `predict`.
        """
        answers = self._answers(X, threads)
        spread = {name: v[:, 0] if v.shape[1] == 1 else v for name, v in answers.spread.items()}
        return self._chosen(answers), spread

    def evaluate(self, X: Any, y: Any = None, *, threads: int | None = None) -> dict[str, Any]:
        """Return the metrics of the mean, of the members and of the spread, as ``ddp-mlp evaluate --json`` prints them.

        Parameters
        ----------
        X, y, threads
            As of `Model.evaluate`.

        Raises
        ------
        DataError
            If rows or targets do not fit the members.
        """
        with as_python_errors():
            if is_path(X) and y is None:
                with apply_model(self._trained, Rows(str(X)), SingleProcess(), log) as applied:
                    return {"split": applied.split, **applied.evaluate()}
            answers_only = self._trained.members[0].config.data.autoencode
            data = rows_for_model(Part(X, y), self.schema, answers_only=answers_only)
            return apply_in_memory(self._trained, data, log, threads=threads_of_answers(threads)).evaluate()

    def export(self, path: str | os.PathLike[str], format: str | None = None, *, check: bool = False) -> str:  # noqa: A002
        """Write the ensemble as one ONNX file: mean and standard deviation, or mean probabilities and their spread.

        Parameters and errors are those of `Model.export`; other formats hold one network, so export `members` there.
        """
        with as_python_errors():
            return export_model(self._trained, Path(path), format, check=check).remark

    def _answers(self, X: Any, threads: int | None) -> Answers:
        if self._answering is not None and (few := self._answering.few(X)) is not None:
            return self._told(few)
        with as_python_errors():
            if is_path(X) and not is_table_file(str(X)):
                with apply_model(self._trained, Rows(str(X), answers_only=True), SingleProcess(), log) as applied:
                    pieces = [found for _, found in applied.predict_pieces()]
                    return self._told(joined(pieces or [applied.answers_for(applied.ids)]))
            self._answering = self._answering or AnsweringTogether(self._trained.members, log)
            data = rows_for_model(Part(X), self.schema, answers_only=True)
            found = self._answering.many(data, threads_of_answers(threads))
            self._answering.knows(X)
            return self._told(found)

    def _told(self, found: Combined) -> Answers:
        return Answers(found.outputs, self.schema, spread=found.spread)

    def _require_probabilities(self) -> None:
        """Return at once: members that give none are no ensemble."""

    def __len__(self) -> int:
        return len(self._trained.members)

    def __reduce__(self) -> tuple[Any, ...]:
        parts = [as_parts(model) for model in self._trained.members]
        return _restored, (str(self._trained.path), self._trained.names, parts)

    def __repr__(self) -> str:
        sizes = {" -> ".join(map(str, model.network.layout.sizes)) for model in self._trained.members}
        return f"<Ensemble: {self.schema.task}, {len(self)} networks of {' and '.join(sorted(sizes))}>"


def _restored(path: str, names: tuple[str, ...], parts: list[dict[str, Any]]) -> Ensemble:
    """Return an ensemble from the parts that a pickle of a user holds."""
    return Ensemble(files.Ensemble(Path(path), names, tuple(map(from_parts, parts))))
