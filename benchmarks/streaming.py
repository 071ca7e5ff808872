"""``python -m benchmarks streaming``: rows that are streamed from their file beside rows that are all in memory.

Work M on random rows of a file: training from a file that the system has in its page cache, from one that it has not
(`--cold`, as root), and resident. Given are the samples of an epoch in a second, validation aside, and the most memory
that any rank had, what ranks share included. The file is made first and removed at the end.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from benchmarks.machine import Watch, description
from benchmarks.processes import run_json
from benchmarks.reporting import markdown, save
from benchmarks.works import WORKS

_CONFIG = """
[data]
train = "rows.h5"
[model]
hidden = [{hidden}]
[optimizer]
name = "momentum"
learning_rate = 0.01
[train]
epochs = {epochs}
early_stopping_patience = 0
global_batch_size = {batch}
"""
_CACHES = Path("/proc/sys/vm/drop_caches")
_ROWS_AT_ONCE = 20_000


def write_rows(path: Path, n_bytes: int, n_features: int, dtype: np.dtype, compress: bool) -> None:
    """Write random rows of ten classes, uint8 in the range of pixels or floats about 0."""
    n_rows, rng = n_bytes // (n_features * dtype.itemsize), np.random.default_rng(0)
    chunks = (max(1, 2**20 // (n_features * dtype.itemsize)), n_features) if compress else None
    noise = rng.normal(size=(_ROWS_AT_ONCE, n_features))
    centres = rng.normal(size=(10, n_features))
    with h5py.File(path, "w") as file:
        kind = {
            "chunks": chunks,
            "compression": "gzip" if compress else None,
            "compression_opts": 1 if compress else None,
        }
        features = file.create_dataset("train/features", (n_rows, n_features), dtype, **kind)
        targets = file.create_dataset("train/targets", (n_rows,), np.uint8)
        for start in range(0, n_rows, _ROWS_AT_ONCE):
            labels = rng.integers(0, 10, min(_ROWS_AT_ONCE, n_rows - start))
            values = noise[rng.permutation(_ROWS_AT_ONCE)[: len(labels)]] + centres[labels]
            stored = np.clip(values * 32 + 128, 0, 255) if dtype.kind == "u" else values
            features[start : start + len(labels)] = stored.astype(dtype)
            targets[start : start + len(labels)] = labels


def train(folder: Path, residency: str, ranks: int, *, cold: bool) -> tuple[float, float]:
    """Return samples per second, and GiB of the largest process so far."""
    if cold:
        os.sync()
        _CACHES.write_text("3\n")
    layout = ["launch", "-n", str(ranks), "train", str(folder / "c.toml"), "--set", f"data.residency={residency}"]
    command = [sys.executable, "-m", "ddp_mlp", *layout, "--json", "--overwrite", "--out", str(folder / "run")]
    result = run_json(command, DDP_MLP_PROGRESS="none")
    return float(result["samples_per_s"]), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20


def main(arguments: Sequence[str]) -> None:
    """Measure, print and save the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks streaming", description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=6.0)
    parser.add_argument("--dtype", default="uint8", choices=["uint8", "float32"])
    parser.add_argument("--compress", action="store_true", help="gzip chunks of 1 MiB")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--cold", action="store_true", help="also with an empty page cache, which takes root")
    parser.add_argument("--folder", type=Path, help="where the file is made [that of temporary files]")
    options = parser.parse_args(arguments)
    watch, work = Watch(), WORKS["M"]
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        dtype = np.dtype(options.dtype)
        write_rows(folder / "rows.h5", int(options.gigabytes * 1e9), work.sizes[0], dtype, options.compress)
        hidden = ", ".join(map(str, work.sizes[1:-1]))
        (folder / "c.toml").write_text(
            _CONFIG.format(hidden=hidden, epochs=options.epochs, batch=work.global_batch_size)
        )
        # Streamed first: the most memory of any process so far is that of the last one.
        ways = [("streamed, cold page cache", "stream", True)] * options.cold
        ways += [("streamed, warm page cache", "stream", False), ("all rows in memory", "node", False)]
        found = {label: train(folder, way, options.ranks, cold=cold) for label, way, cold in ways}
    resident = found["all rows in memory"][0]
    rows = [[label, f"{rate:,.0f}", f"{rate / resident:.2f}", f"{most:.2f}"] for label, (rate, most) in found.items()]
    packed = ", gzip" if options.compress else ""
    head = [f"{options.gigabytes:g} GB of {options.dtype}{packed}, {options.ranks} ranks", "samples/s", "of resident"]
    text = "\n\n".join([f"{description()}; {watch.before}", markdown([*head, "GiB of a rank, at most"], rows)])
    save("streaming", text, {label: list(figures) for label, figures in found.items()})
