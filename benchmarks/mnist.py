"""``python -m benchmarks mnist DATA.h5``: whole processes, from start to exit, to 97.5 % of the test images.

784-128-10, batches of 128, momentum 0.9, rate 0.1, 5 epochs. DATA.h5 is what
``ddp-mlp data import`` makes of the four files. Ours are two ranks with compiled kernels in
the cache; they test after every epoch and write checkpoints, metrics and the model. The
peers train, test once, and write nothing.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import h5py

from benchmarks.machine import Watch, description, installed
from benchmarks.processes import run_json, run_module, run_torch_world
from benchmarks.reporting import markdown, save

#: Share of the test images that must be right, and seconds that ours may take.
WANTED, TARGET_S = 0.975, 2.2

_CONFIG = """
[data]
train = "{data}"            # its valid split holds the test images
[model]
hidden = [128]
[optimizer]
name = "momentum"
learning_rate = 0.1
momentum = 0.9
[train]
epochs = {epochs}
early_stopping_patience = 0
global_batch_size = 128
"""


def with_test_as_valid(data: Path, to: Path) -> None:
    """Copy a data set so that training measures itself on the test split."""
    with h5py.File(data) as source, h5py.File(to, "w") as target:
        target.attrs.update(source.attrs)
        source.copy("train", target)
        source.copy("test", target, name="valid")


def train_ours(folder: Path, epochs: int, ranks: int, threads: int) -> float:
    """Train in processes of our own and return the accuracy on the test images."""
    config = folder / "mnist.toml"
    config.write_text(_CONFIG.format(data="mnist.h5", epochs=epochs))
    with tempfile.TemporaryDirectory(dir=folder) as out:
        layout = ["-n", str(ranks), "--threads-per-rank", str(threads)]
        command = [sys.executable, "-m", "ddp_mlp", "launch", *layout, "train", str(config), "--json"]
        result = run_json([*command, "--out", f"{out}/run"], DDP_MLP_PROGRESS="none")
    return float(result["valid_accuracy"])


def contestants(data: str, folder: Path) -> dict[str, Callable[[], float]]:
    """Return what trains and gives the accuracy, by label; only what is installed."""

    def accuracy(run: Callable[..., Any], *arguments: str, **environment: str) -> float:
        return float(run("benchmarks.rivals.torch_mnist", data, *arguments, **environment)["accuracy"])

    found: dict[str, Callable[[], float]] = {
        "ddp-mlp, 2 ranks": partial(train_ours, folder, 5, 2, 1),
        "ddp-mlp, 1 rank x 2 threads": partial(train_ours, folder, 5, 1, 2),
    }
    if installed("torch"):
        two = partial(accuracy, run_module, "--threads", "2", OMP_NUM_THREADS="2")
        one = partial(accuracy, run_module, "--threads", "1", OMP_NUM_THREADS="1")
        found |= {"PyTorch DDP, 2 processes": partial(accuracy, partial(run_torch_world, 2))}
        found |= {"PyTorch, 1 process x 2 threads": two, "PyTorch, 1 process x 1 thread": one}
    return found


Figures = dict[str, list[float]]


def take_turns(data: Path, rounds: int) -> tuple[Figures, Figures]:
    """Return seconds and accuracies of every round, by label."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with_test_as_valid(data, folder / "mnist.h5")
        train_ours(folder, 1, 2, 1)  # fills the cache of compiled kernels
        runs = contestants(str(data.resolve()), folder)
        seconds: Figures = {label: [] for label in runs}
        accuracies: Figures = {label: [] for label in runs}
        for number in range(rounds):
            for label, run in runs.items():
                print(f"round {number + 1} of {rounds}: {label}", file=sys.stderr)
                started = perf_counter()
                accuracies[label].append(run())
                seconds[label].append(perf_counter() - started)
    return seconds, accuracies


def row(label: str, seconds: Sequence[float], accuracies: Sequence[float], ours: float) -> list[str]:
    """Return a line of the table."""
    median, lowest = statistics.median(seconds), min(accuracies)
    reached = "" if lowest >= WANTED else " (not reached)"
    spread = f"{median:.2f} [{min(seconds):.2f}..{max(seconds):.2f}]"
    return [label, spread, f"{median / ours:.2f}", f"{lowest:.2%}{reached}"]


def main(arguments: Sequence[str]) -> None:
    """Measure, print and save the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks mnist", description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rounds", type=int, default=5, help="alternations over all [%(default)s]")
    options = parser.parse_args(arguments)
    watch = Watch()
    seconds, accuracies = take_turns(options.data, options.rounds)
    ours = statistics.median(seconds["ddp-mlp, 2 ranks"])
    rows = [row(label, found, accuracies[label], ours) for label, found in seconds.items()]
    head = ["MNIST, 5 epochs", "seconds from start to exit [range]", "times ours", "lowest test accuracy"]
    verdict = "reached" if ours <= TARGET_S else "missed"
    text = [description(), f"{options.rounds} rounds; {watch.verdict()}", "", markdown(head, rows), ""]
    text += [f"target for 2 ranks: <= {TARGET_S} s: {verdict} ({ours:.2f} s)"]
    text += [] if installed("torch") else ["not installed: PyTorch"]
    save("mnist", "\n".join(text), {"machine": description(), "seconds": seconds, "accuracy": accuracies})
