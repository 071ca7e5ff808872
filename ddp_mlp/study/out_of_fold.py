"""The answers of each fold's model for the rows that it was not trained on, in one file."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from ddp_mlp.comm import Communicator, agreed
from ddp_mlp.config import DataConfig
from ddp_mlp.data.dataset.row_labels import kept_texts
from ddp_mlp.data.prediction_files import predictions_file
from ddp_mlp.data.predictions import Answers, beside_answers
from ddp_mlp.study.ranking import Summary, is_done
from ddp_mlp.training.inference.files import Rows, apply_model
from ddp_mlp.training.inputs.data_files import open_splits
from ddp_mlp.training.problem import ignore

#: Files in the directory of the study.
NAMES = ("oof.h5", "oof.csv")


def write_out_of_fold(directory: Path, data: DataConfig, folds: Sequence[Summary], comm: Communicator) -> int:
    """Collective. Write the answers for all rows that a fold has validated, ordered by row; return how many.

    Beside the answers stand the number of the row in the training split, columns that were kept by ``--id``, the fold
    and the target. They are the bits of ``ddp-mlp predict FOLD DATA --split valid``.

    Parameters
    ----------
    data : DataConfig
        That of the folds.
    folds : sequence of dict
        Summaries of all folds, by number; those that failed have no rows.
    """
    parts: list[tuple[Any, ...]] = []
    first = None
    for number, fold in enumerate(folds):
        if not is_done(fold):
            continue
        with apply_model(Path(fold["run_dir"]), Rows(data.train, "valid"), comm, ignore) as applied:
            outputs, first = applied.predict(), first or applied.model
            with agreed(comm):
                if comm.rank == 0:
                    parts.append((applied.ids, np.full(len(applied.ids), number), outputs, applied.targets))
    with agreed(comm):
        if comm.rank == 0 and first is not None:
            rows, numbers, outputs, targets = (np.concatenate(part) for part in zip(*parts, strict=True))
            order = np.argsort(rows, kind="stable")
            wanted = ["row"] + ["target"] * (not data.autoencode)
            beside = beside_answers(first.schema, rows[order], targets[order], wanted, _no_texts)
            columns = {"row": beside.pop("row"), **_kept(data, rows[order]), "fold": numbers[order].tolist(), **beside}
            answers = Answers(outputs[order], first.schema, first.network.output_threshold, columns)
            for name in NAMES:
                with predictions_file(directory / name, len(rows)) as file:
                    file.append(answers)
    return sum(len(part[0]) for part in parts)


def _no_texts(_: Sequence[str]) -> dict[str, list[str]]:
    return {}


def _kept(data: DataConfig, rows: Any) -> dict[str, list[str]]:
    """Return the columns that the data set keeps beside its features."""
    with ExitStack() as stack:
        files, splits = open_splits(data, stack)
        names = [name for name in (data.group_by, data.time_by) if name]
        found = kept_texts(files[0], splits[0], names)
    return {name: [texts[row] for row in rows.tolist()] for name, texts in found.items()}
