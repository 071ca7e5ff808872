"""Models that answer rows in memory together, made ready once: their mean and their spread, some rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ddp_mlp.checkpoint.model import Model, normalization_to_json
from ddp_mlp.core.ensembles.spread import Combined, combine, joined
from ddp_mlp.data.dataset.split import Split
from ddp_mlp.data.memory.held import HeldData
from ddp_mlp.engine.prediction import ROWS_AT_ONCE
from ddp_mlp.training.inference.answering import Answering


class AnsweringTogether:
    """The members of an ensemble, in one process; their answers are the same bits whatever way the rows take."""

    def __init__(self, members: Sequence[Model], tell: Callable[[str], None]) -> None:
        """`tell` is called with each line for the user; the first member stands for all that have its preprocessing."""
        known: dict[str, Answering] = {}
        self._each: list[Answering] = []
        for model in members:
            fitted = normalization_to_json(model.normalization)
            self._each.append(Answering(model, tell if not known else lambda _: None))
            known.setdefault(fitted, self._each[-1])
        self._distinct = list(known.values())
        self._task = members[0].schema.task

    def few(self, x: Any) -> Combined | None:
        """Return the answers for a few rows of plain numbers of which nothing is to be said; None for any others.

        Parameters
        ----------
        x : array of shape (n, F)
        """
        if not all(answering.is_usual(x) for answering in self._distinct):
            return None
        return combine([answering.answer(x) for answering in self._each], self._task)

    def many(self, data: HeldData, threads: int) -> Combined:
        """Return the answers for all rows of a data set of one split.

        Raises
        ------
        DataError
            If the rows do not fit the members, or are not usable.
        """
        splits = [answering.bind(data) for answering in self._each]
        n_rows = splits[0].n_samples

        def part(start: int) -> Combined:
            return self._part(splits, start, min(start + ROWS_AT_ONCE, n_rows))

        starts = range(0, max(n_rows, 1), ROWS_AT_ONCE)
        if threads == 1 or len(starts) == 1:
            found = [part(start) for start in starts]
        else:
            with ThreadPoolExecutor(threads) as pool:
                found = list(pool.map(part, starts))
        self._distinct[0].remark(splits[0])
        return joined(found)

    def _part(self, splits: Sequence[Split], start: int, stop: int) -> Combined:
        pairs = zip(self._each, splits, strict=True)
        return combine([one.answer(split.read(start, stop).features) for one, split in pairs], self._task)

    def knows(self, x: Any) -> None:
        """Remember all that is said of arrays of this kind, after rows of it have been answered."""
        for answering in self._distinct:
            answering.knows(x)
