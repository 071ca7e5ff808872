"""One model or several that answer together, and the rows they are applied to."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.checkpoint.model import Model
from ddp_mlp.core.ensembles.spread import Combined, combine
from ddp_mlp.core.kernels.evaluation_sums import EVALUATION_ROWS
from ddp_mlp.core.layout import Floats
from ddp_mlp.data.dataset.split import Split
from ddp_mlp.data.predictions import no_numbers
from ddp_mlp.engine.evaluation import Evaluator
from ddp_mlp.training.inputs.tables import DataLocation

Ids = NDArray[np.int64]

#: Rows read at a time for their targets.
_BLOCK_ROWS = 8192
#: Numbers that the answers of several members, and what is worked out of them, may be at a time.
_MOST_NUMBERS = 2**23
#: Numbers that are worked out of each answer.
_NUMBERS_OF_EACH = 16


@dataclass(frozen=True, eq=False)
class Application:
    """Models and the rows they are applied to.

    Attributes
    ----------
    members : tuple of Model
        One, or those of an ensemble in their order.
    names : tuple of str
        Of the members of an ensemble; empty for one model.
    split : str
    ids : ndarray of int64
        Rows of the split.
    evaluators : tuple of Evaluator
        One for each member.
    rows : Split or None
        The split, as long as its file is open.
    location : DataLocation
        Where they came from.
    data : str
        Their name in messages.
    """

    members: tuple[Model, ...]
    names: tuple[str, ...]
    split: str
    ids: Ids
    evaluators: tuple[Evaluator, ...]
    rows: Split | None
    location: DataLocation
    data: str = ""

    @property
    def model(self) -> Model:
        """The one model, or the first of several: all have its schema, and its way to tell a class."""
        return self.members[0]

    def evaluate(self, top_k: int = 0) -> dict[str, Any]:
        """Collective. Return all metrics over all rows; `top_k` asks for that accuracy too.

        Raises
        ------
        DataError
            If the outputs for some rows are no numbers.
        """
        from ddp_mlp.training.inference.together import evaluate_together

        schema = self.model.schema
        names = schema.target_names if schema.task == "regression" else schema.class_names
        with self.location.called(self.data):
            if len(self.members) > 1:
                found = evaluate_together(self, names, top_k)
            else:
                found = self.evaluators[0].evaluate_in_detail(self.model.parameters, self.ids, names, top_k)
            self._require_numbers(found)
            return found

    def _require_numbers(self, found: dict[str, Any]) -> None:
        """Raise DataError if a sum is no number: counts of classes, for which NaN is the first one, look sound."""
        if any(math.isnan(found.get(name) or 0.0) for name in ("loss", "rmse")):
            said = "no score, since the network's outputs for some rows"
            raise no_numbers(said, self.model.parameters.dtype)

    def predict(self) -> Floats:
        """Collective. Return the answers for all rows, shape (n, n_outputs), in units of the data; means of several."""
        found = [pieces.outputs for _, pieces in self.predict_pieces()]
        if len(found) == 1:
            return found[0]
        return np.concatenate([np.zeros((0, self.model.schema.n_outputs)), *found])

    def predict_pieces(self) -> Iterator[tuple[Ids, Combined]]:
        """Collective. Yield the answers for some rows after the other, and which of the split these are."""
        with self.location.called(self.data):
            if len(self.members) == 1:
                for start, outputs in self.evaluators[0].predict_pieces(self.model.parameters, self.ids):
                    yield self.ids[start : start + len(outputs)], Combined(outputs)
                return
            for ids in self.chunks():
                yield ids, self.answers_for(ids)

    def chunks(self) -> Iterator[Ids]:
        """Yield the rows some at a time, in whole blocks of which each is summed by itself, however many there are."""
        width = self.model.schema.n_outputs * (len(self.members) + _NUMBERS_OF_EACH)
        fitting = max(1, _MOST_NUMBERS // (EVALUATION_ROWS * width)) * EVALUATION_ROWS
        size = min([fitting, *(evaluator.most_rows or fitting for evaluator in self.evaluators)])
        for start in range(0, len(self.ids), size):
            yield self.ids[start : start + size]

    def answers_for(self, ids: Ids) -> Combined:
        """Collective. Return the answers for some of the rows."""
        both = zip(self.members, self.evaluators, strict=True)
        outputs = [evaluator.predict(model.parameters, ids) for model, evaluator in both]
        return combine(outputs, self.model.schema.task)

    @property
    def targets(self) -> NDArray[np.float64] | None:
        """Targets of all rows; see `targets_of`."""
        return self.targets_of(self.ids)

    def targets_of(self, ids: Ids) -> NDArray[np.float64] | None:
        """Return the targets of some rows as in the data, shape (n, T), if they have any; labels number classes."""
        if self.rows is None or not self.rows.has_targets:
            return None
        found = [np.zeros((0, self.model.schema.n_targets))]
        for start in range(0, self.rows.n_samples, _BLOCK_ROWS):
            first, last = np.searchsorted(ids, (start, start + _BLOCK_ROWS))
            if first < last:
                wanted = ids[first:last]
                block = self.rows.read(int(wanted[0]), int(wanted[-1]) + 1)
                found.append(block.targets[wanted - wanted[0]])
        return np.concatenate(found)
