"""The rows that models which answer together are applied to: the same for all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.checkpoint.model import Model
from ddp_mlp.data.dataset.dataset import DatasetFile
from ddp_mlp.data.dataset.split import Split
from ddp_mlp.errors import UsageError
from ddp_mlp.training.inputs.chosen_rows import Rows, choose_rows


def choose_common_rows(
    members: Sequence[Model], file: DatasetFile, rows: Rows
) -> tuple[tuple[Split, ...], NDArray[np.int64], list[str]]:
    """Return a split as each model has it, which of its rows, and what to say of them.

    Raises
    ------
    UsageError
        If there is no such split, or the models were validated by different rows.
    """
    known = {(model.fingerprint, repr(model.config.data)): model for model in members}
    found = [choose_rows(model, file, rows) for model in known.values()]
    split, ids, _ = found[0]
    if any(split.name != other.name or not np.array_equal(ids, others) for other, others, _ in found):
        raise UsageError(
            f"{rows.data}: the members of this ensemble were validated by different rows, so that none validated all "
            "of them; name another split"
        )
    plain = file.splits[split.name]
    splits = tuple(plain.allowing_missing() if model.normalization.fill is not None else plain for model in members)
    return splits, ids, list(dict.fromkeys(note for *_, notes in found for note in notes))
