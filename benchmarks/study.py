"""A study of 48 small networks on the digits: two workers beside one, and scikit-learn's grid search on two processes.

python -m benchmarks study [--rounds 3] [--epochs 200]

All train the same grid for the same epochs, scikit-learn's own most, on the same rows, and take turns, each from start
to exit.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from benchmarks.machine import Watch, description
from benchmarks.reporting import markdown, save

HIDDEN = (64, 64)
GRID: dict[str, list[Any]] = {
    "optimizer.learning_rate": [0.0003, 0.001, 0.003, 0.01],
    "train.global_batch_size": [16, 32, 64],
    "train.seed": [1, 2, 3, 4],
}
#: Most of the time of one worker that two may take, and least of ours that scikit-learn takes, on two workers each.
TWO_TO_ONE, TO_RIVAL = 0.55, 10.0
_CONFIG = """
[data]
train = "digits.h5"
normalize = "standard"
[model]
hidden = [64, 64]
[train]
epochs = {epochs}
early_stopping_patience = 0
"""
ONE, TWO, RANKS, RIVAL = "one worker", "two processes", "two ranks", "scikit-learn, two processes"


def make_digits(path: Path) -> None:
    """Write the digits with the pixels of each pair added up: 32 features; a fifth of the rows validate."""
    import h5py
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x = x.reshape(-1, 32, 2).sum(axis=2).astype(np.float32)
    order = np.random.default_rng(0).permutation(len(x))
    valid, train = np.split(order, [len(x) // 5])
    with h5py.File(path, "w") as file:
        for name, rows in (("train", train), ("valid", valid)):
            file[f"{name}/features"], file[f"{name}/targets"] = x[rows], y[rows]


def command_of(kind: str, epochs: int) -> list[str]:
    """Return the command line of a contestant."""
    if kind == RIVAL:
        return [sys.executable, "-m", "benchmarks.rivals.sklearn_grid", "digits.h5", str(epochs), "2"]
    tries = [word for key, values in GRID.items() for word in ("--try", f"{key}={json.dumps(values)}")]
    launch = ["launch", "-n", "2"] if kind == RANKS else []
    at_once = "1" if kind == ONE else "2"
    search = ["search", "c.toml", *tries, "--parallel", at_once, "--out", "study", "--metric", "accuracy", "--json"]
    return [sys.executable, "-m", "ddp_mlp", *launch, *search]


def time_one(kind: str, epochs: int) -> tuple[float, list[float], list[str]]:
    """Return the seconds from start to exit, the accuracies of all trials after their last epoch, and hashes."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_digits(folder / "digits.h5")
        (folder / "c.toml").write_text(_CONFIG.format(epochs=epochs))
        root = {"PYTHONPATH": str(Path(__file__).parents[1]), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        began = monotonic()
        done = subprocess.run(
            command_of(kind, epochs), cwd=folder, env={**os.environ, **root}, capture_output=True, text=True, check=True
        )
        took = monotonic() - began
    found = json.loads(done.stdout)
    if kind == RIVAL:
        return took, found["accuracies"], []
    trials = sorted(found["trials"], key=lambda trial: str(trial["name"]))
    return took, [trial["valid_accuracy"] for trial in trials], [trial["weights_sha256"] for trial in trials]


def main(arguments: list[str]) -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks study", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=200)
    options = parser.parse_args(arguments)
    watch, kinds = Watch(), (ONE, TWO, RANKS, RIVAL)
    times: dict[str, list[float]] = {kind: [] for kind in kinds}
    accuracies: dict[str, list[float]] = {}
    hashes: list[list[str]] = []
    for _ in range(options.rounds):
        for kind in kinds:
            took, accuracies[kind], found = time_one(kind, options.epochs)
            times[kind].append(took)
            print(f"{kind}: {took:.2f} s", file=sys.stderr)
            hashes += [found] if found else []
    assert all(found == hashes[0] for found in hashes), "trials differ in their bits"
    middle = {kind: statistics.median(of_kind) for kind, of_kind in times.items()}
    rows = [
        [
            kind,
            f"{middle[kind]:.2f} [{min(times[kind]):.2f}..{max(times[kind]):.2f}]",
            f"{middle[kind] / middle[ONE]:.3f}",
            f"{statistics.fmean(accuracies[kind]):.4f}",
            f"{max(accuracies[kind]):.4f}",
        ]
        for kind in kinds
    ]
    head = ["48 trials of 32-64-64-10", "s, start to exit [range]", "of one worker", "mean accuracy", "best"]
    best = min(middle[TWO], middle[RANKS])
    text = (
        f"{description()}\n{watch.verdict()}\n\n{options.epochs} epochs of each trial, {options.rounds} rounds; "
        f"accuracy on the rows that validate, after the last epoch. All our trials have the same bits.\n\n"
        f"{markdown(head, rows)}\n\n"
        f"two workers of one: {best / middle[ONE]:.3f} (target: at most {TWO_TO_ONE}); "
        f"scikit-learn of ours, two workers each: {middle[RIVAL] / best:.1f} (target: at least {TO_RIVAL:g})"
    )
    save("study", text, {"times_s": times, "accuracies": accuracies, "epochs": options.epochs})
