"""A model that answers rows in memory, made ready once: for one row in microseconds, and for many on all cores."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.checkpoint.model import Model
from ddp_mlp.comm import SingleProcess
from ddp_mlp.core.layout import Floats
from ddp_mlp.data.dataset.meaning import Wanted
from ddp_mlp.data.dataset.split import Split
from ddp_mlp.data.memory.held import Arrays, HeldData, held_arrays
from ddp_mlp.data.normalization import normalize
from ddp_mlp.engine.compilation import ready_kernels
from ddp_mlp.engine.prediction import ROWS_AT_ONCE, Predictor
from ddp_mlp.training.drift import FEW_ROWS, remarks, usual_range


def bound_rows(model: Model, data: HeldData, targets: Literal["needed", "unused"]) -> tuple[Split, tuple[str, ...]]:
    """Return rows of one split as those of a model, and what is to be said of them.

    Raises
    ------
    DataError
        If they do not fit it.
    """
    file = data.open(Wanted(schema=model.schema, targets=targets))
    (split,) = file.splits.values()
    return split if model.normalization.fill is None else split.allowing_missing(), file.notes


class Answering:
    """A model with its tables, in one process; its answers are the same bits whatever way the rows take."""

    def __init__(self, model: Model, tell: Callable[[str], None]) -> None:
        """`tell` is called with each line for the user."""
        ready_kernels(model.parameters.dtype.name, SingleProcess(), tell)
        fitted = model.normalization
        self._model, self._tell = model, tell
        self._predictor = Predictor(model.network, model.parameters, fitted.offset, fitted.scale)
        self._n_outputs = model.network.layout.sizes[-1]
        bounds = usual_range(fitted)
        self._bounds = bounds if bounds and model.schema.numbers == "float" and not model.schema.columns else None
        self._notes: dict[np.dtype[Any], tuple[str, ...]] = {}

    def few(self, x: Any) -> NDArray[np.floating] | None:
        """Return the outputs for a few rows of plain numbers of which nothing is to be said; None for any others.

        Parameters
        ----------
        x : array of shape (n, F)
        """
        return self.answer(x) if self.is_usual(x) else None

    def is_usual(self, x: Any) -> bool:
        """Tell whether rows are a few of plain numbers of which only known notes are to be said; say these."""
        if self._bounds is None or type(x) is not np.ndarray or x.dtype not in self._notes or x.ndim != 2:
            return False
        low, high = self._bounds
        if not 0 < len(x) < FEW_ROWS or x.shape[1] != len(low) or not ((x >= low) & (x <= high)).all():
            return False
        for note in self._notes[x.dtype]:
            self._tell(note)
        return True

    def answer(self, features: NDArray[Any]) -> NDArray[np.floating]:
        """Return the outputs for at most `ROWS_AT_ONCE` rows that fit the model, shape (n, n_outputs)."""
        outputs = np.empty((len(features), self._n_outputs), self._predictor.dtype)
        self._answer(features, outputs)
        return self._in_units(outputs)

    def many(self, data: HeldData, threads: int) -> NDArray[np.floating]:
        """Return the outputs for all rows of a data set of one split.

        Raises
        ------
        DataError
            If the rows do not fit the model, or are not usable.
        """
        split = self.bind(data)
        outputs = np.empty((split.n_samples, self._n_outputs), self._predictor.dtype)
        starts = range(0, split.n_samples, ROWS_AT_ONCE)
        if threads == 1 or len(starts) == 1:
            for start in starts:
                self._answer_part(split, start, outputs)
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(lambda start: self._answer_part(split, start, outputs), starts))
        self.remark(split)
        return self._in_units(outputs)

    def bind(self, data: HeldData) -> Split:
        """Return the rows of a data set of one split as those of the model; raises as `many`."""
        split, notes = bound_rows(self._model, data, "unused")
        self._say(notes)
        return split

    def remark(self, split: Split) -> None:
        """Say how rows are unlike those of training."""
        self._say(remarks(self._model.schema, self._model.normalization, split))

    def knows(self, x: Any) -> None:
        """Remember all that is said of arrays of this kind, after rows of it have been answered."""
        if type(x) is np.ndarray and x.dtype.kind == "f" and x.dtype.itemsize in {4, 8} and x.dtype.isnative:
            file = held_arrays({"test": Arrays(x[:1])}).open(Wanted(schema=self._model.schema, targets="unused"))
            self._notes[x.dtype] = tuple(file.notes)

    def _say(self, lines: Any) -> None:
        for line in lines:
            self._tell(line)

    def _answer_part(self, split: Split, start: int, outputs: Floats) -> None:
        stop = min(start + ROWS_AT_ONCE, split.n_samples)
        self._answer(split.read(start, stop).features, outputs[start:stop])

    def _answer(self, features: NDArray[Any], outputs: Floats) -> None:
        """Answer at most `ROWS_AT_ONCE` rows, which are not normalised yet."""
        if features.dtype != np.uint8:
            features = normalize(self._model.normalization, features, self._predictor.dtype)
        self._predictor.answer(np.ascontiguousarray(features), outputs)

    def _in_units(self, outputs: Floats) -> NDArray[np.floating]:
        """Return outputs in units of the data, in float64: a large offset would cost the answers their digits."""
        targets = self._model.target_normalization
        return outputs if targets is None else outputs / targets.scale + targets.offset
