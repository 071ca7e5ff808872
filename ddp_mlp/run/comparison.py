"""Are two runs the same bits? If not: since when, and in which layers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ddp_mlp.checkpoint.checkpoint import newest_good
from ddp_mlp.checkpoint.history import Cells
from ddp_mlp.checkpoint.model import load_model, refuse_ensemble
from ddp_mlp.core.layout import Floats, Layout, digest
from ddp_mlp.errors import DataError, MissingInputError, printable
from ddp_mlp.run.files.directory import RunDirectory
from ddp_mlp.run.files.table_lines import read_table

#: Hexadecimal digits of a layer's hash in ``hashes.csv``.
LAYER_DIGITS = 16


def hash_row(epoch: int, step: int, layout: Layout, parameters: Floats) -> dict[str, Any]:
    """Return the row of ``hashes.csv`` of an epoch: the hash of all weights and of each layer."""
    layers = {part.name: digest(part.view(parameters))[:LAYER_DIGITS] for part in layout.segments()}
    return {"epoch": epoch, "step": step, "weights_sha256": digest(parameters), **layers}


@dataclass(frozen=True)
class _Run:
    """The part of a run that is compared: rows of ``hashes.csv`` by epoch, epochs done, and the last weights."""

    rows: dict[int, Cells]
    epochs: int
    layout: Layout
    parameters: Floats


def compare_runs(first: Path, second: Path) -> dict[str, Any]:
    """Compare the hashes that two runs kept, and the weights they ended with.

    Returns
    -------
    dict
        ``same_bits``: of the last weights, and of all epochs of which both have the hashes;
        ``epochs_compared``; ``not_comparable``: epochs of which one of them lacks the hashes
        although both have done them; ``first_difference`` (epoch, step, layers) or None;
        ``layers``: those whose last weights differ, with the largest difference.

    Raises
    ------
    MissingInputError, DataError
        If one of them is no run, or the networks are of different shape.
    UsageError
        If one of them is an ensemble.
    """
    left, right = _load(first), _load(second)
    common = sorted(set(left.rows) & set(right.rows))
    differing = [epoch for epoch in common if left.rows[epoch] != right.rows[epoch]]
    if left.layout != right.layout:
        sizes = left.layout.sizes, right.layout.sizes
        raise DataError(f"{first} has layers of {sizes[0]}, {second} of {sizes[1]}: nothing to compare")
    layers = _differing_layers(left, right)
    return {
        "same_bits": not differing and not layers and left.epochs == right.epochs,
        "epochs_compared": len(common),
        "not_comparable": sorted(set(range(1, min(left.epochs, right.epochs) + 1)) - set(common)),
        "first_difference": _difference(left.rows[differing[0]], right.rows[differing[0]]) if differing else None,
        "layers": layers,
    }


def _load(path: Path) -> _Run:
    refuse_ensemble(path)
    directory = RunDirectory(path)
    if not directory.hashes.exists():
        raise MissingInputError(f"{path}: no hashes.csv, so no run directory whose history could be compared")
    rows = _hash_rows(directory.hashes)
    checkpoint, _ = newest_good(directory.checkpoints)
    if not checkpoint:
        model = load_model(path)
        return _Run(rows, max(rows, default=0), model.network.layout, model.parameters)
    # Of later epochs a run that was killed may have rows, but no weights that it could go on from.
    done = max(checkpoint.state.progress.epoch, max(rows, default=0))
    return _Run(rows, done, checkpoint.network.layout, checkpoint.state.parameters)


def _hash_rows(path: Path) -> dict[int, Cells]:
    try:
        rows = list(read_table(path))
    except OSError as error:
        raise MissingInputError(f"{path}: cannot read: {error.strerror}") from None
    if rows and not {"epoch", "step", "weights_sha256"} <= set(rows[0]):
        raise DataError(f"{path}: not a table of hashes, but of {printable(', '.join(rows[0]))[:80]}")
    return {int(row["epoch"]): row for row in rows if row["step"].isdigit()}


def _difference(left: Cells, right: Cells) -> dict[str, Any]:
    layers = [name for name in left if "." in name and left[name] != right.get(name)]
    return {"epoch": int(left["epoch"]), "step": int(left["step"]), "layers": layers}


def _differing_layers(left: _Run, right: _Run) -> list[dict[str, Any]]:
    views = ((part.name, part.view(left.parameters), part.view(right.parameters)) for part in left.layout.segments())
    return [
        {"name": name, "largest_difference": float(np.abs(one - other).max())}
        for name, one, other in views
        if digest(one) != digest(other)
    ]
