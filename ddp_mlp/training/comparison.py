"""Are two runs the same bits? If not: since when, and in which layers."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from ddp_mlp.core.layout import Floats, Layout, digest
from ddp_mlp.errors import DataError, MissingInputError
from ddp_mlp.plain_files import read_lines
from ddp_mlp.training.checkpoint import newest_good
from ddp_mlp.training.model import load_model
from ddp_mlp.training.run_directory import RunDirectory

#: Hexadecimal digits of a layer's hash in ``hashes.csv``.
LAYER_DIGITS = 16


def hash_row(epoch: int, step: int, layout: Layout, parameters: Floats) -> dict[str, Any]:
    """Return the row of ``hashes.csv`` of an epoch: the hash of all weights and of each layer."""
    layers = {part.name: digest(part.view(parameters))[:LAYER_DIGITS] for part in layout.segments()}
    return {"epoch": epoch, "step": step, "weights_sha256": digest(parameters), **layers}


def compare_runs(first: Path, second: Path) -> dict[str, Any]:
    """Compare the hashes that two runs kept, and the weights they ended with.

    Returns
    -------
    dict
        ``same_bits``; ``epochs_compared``; ``first_difference`` (epoch, step, layers) or
        None; ``layers``: those whose last weights differ, with the largest difference.

    Raises
    ------
    MissingInputError, DataError
        If one of them is no run, or the networks are of different shape.
    """
    rows = [_hash_rows(path) for path in (first, second)]
    common = sorted(set(rows[0]) & set(rows[1]))
    differing = [step for step in common if rows[0][step] != rows[1][step]]
    layers = _differing_layers(first, second)
    return {
        "same_bits": not differing and not layers and set(rows[0]) == set(rows[1]),
        "epochs_compared": len(common),
        "first_difference": _difference(rows[0][differing[0]], rows[1][differing[0]]) if differing else None,
        "layers": layers,
    }


def _hash_rows(run: Path) -> dict[int, dict[str, str]]:
    path = RunDirectory(run).hashes
    try:
        rows = [row for row in csv.DictReader(read_lines(path)) if None not in row and None not in row.values()]
        return {int(row["step"]): row for row in rows if int(row["epoch"])}
    except FileNotFoundError:
        raise MissingInputError(f"{run}: no hashes.csv, so no run directory whose history could be compared") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except (KeyError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: not the hashes that a run writes ({error})") from None


def _difference(left: dict[str, str], right: dict[str, str]) -> dict[str, Any]:
    layers = [name for name in left if "." in name and left[name] != right.get(name)]
    return {"epoch": int(left["epoch"]), "step": int(left["step"]), "layers": layers}


def _last_weights(run: Path) -> tuple[Layout, Floats]:
    checkpoint, _ = newest_good(RunDirectory(run).checkpoints)
    if checkpoint:
        return checkpoint.network.layout, checkpoint.state.parameters
    model = load_model(run)
    return model.network.layout, model.parameters


def _differing_layers(first: Path, second: Path) -> list[dict[str, Any]]:
    (layout, left), (other, right) = _last_weights(first), _last_weights(second)
    if layout != other:
        raise DataError(f"{first} has layers of {layout.sizes}, {second} of {other.sizes}: nothing to compare")
    return [
        {"name": part.name, "largest_difference": float(np.abs(part.view(left) - part.view(right)).max())}
        for part in layout.segments()
        if digest(part.view(left)) != digest(part.view(right))
    ]
