"""What saving costs: M trained with a checkpoint each second and without, in turn, in one process.

python -m benchmarks.saving [--rounds 5] [--seconds 8]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from pathlib import Path
from time import perf_counter, thread_time
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import h5py
import numpy as np

from benchmarks.works import N_ROWS, WORKS
from ddp_mlp.comm import SingleProcess
from ddp_mlp.engine.compilation import ready_kernels

CONFIG = """
[data]
train = "rows.h5"
valid_fraction = 0.0
[model]
hidden = [128]
[optimizer]
name = "momentum"
learning_rate = 0.01
[train]
epochs = 1000000
early_stopping_patience = 0
global_batch_size = 128
micro_batches = 2
"""
#: What each kind of run sets; the last checkpoint, at the stop, is in all of them.
KINDS = {
    "without": "checkpoint.every_epochs=1000000",
    "each second": f"checkpoint.every_minutes={1 / 60}",
    "each epoch": "checkpoint.every_epochs=1",
}


def make_rows(folder: Path) -> None:
    """Write random rows of the size of M."""
    rng, (n_features, *_, n_classes) = np.random.default_rng(0), WORKS["M"].sizes
    with h5py.File(folder / "rows.h5", "w") as file:
        file["train/features"] = rng.integers(0, 256, (N_ROWS, n_features), dtype=np.uint8)
        file["train/targets"] = rng.integers(0, n_classes, N_ROWS)


def measure(folder: Path, kind: str, name: str, seconds: float) -> tuple[float, int, float]:
    """Return microseconds a step, the turns of the writer, and the processor's seconds that each of them took."""
    from ddp_mlp.config import load_config
    from ddp_mlp.run.files import writer as run_writer
    from ddp_mlp.run.run import Run, RunOptions

    times: list[tuple[float, int]] = []
    saves: list[float] = []
    save = run_writer.RunWriter.save

    def timed(self: Any, *arguments: Any) -> None:
        started = thread_time()
        save(self, *arguments)
        saves.append(thread_time() - started)

    run_writer.RunWriter.save = timed  # type: ignore[method-assign]
    try:
        config = load_config(folder / "c.toml", [KINDS[kind]], {})
        run = Run(config, RunOptions(folder / name, max_time_s=seconds), SingleProcess(), lambda _: None)
        run.execute(lambda report: times.append((perf_counter(), report.step)))
    finally:
        run_writer.RunWriter.save = save  # type: ignore[method-assign]
    (first_s, first), (last_s, last) = times[10], times[-2]  # the last report waits for the disk
    return (last_s - first_s) / (last - first) * 1e6, len(saves), statistics.fmean(saves)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8.0)
    options = parser.parse_args()
    ready_kernels("float32", SingleProcess(), print)
    found: dict[str, list[tuple[float, int, float]]] = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_rows(folder)
        (folder / "c.toml").write_text(CONFIG)
        measure(folder, "without", "warm-up", 1.0)
        for k in range(options.rounds):
            for kind in KINDS:
                found[kind].append(measure(folder, kind, f"{kind}-{k}", options.seconds))
    print(f"{'checkpoints':<14}{'us a step':>12}{'min':>8}{'max':>8}{'ratio':>8}{'turns':>9}{'CPU ms each':>13}")
    base = statistics.median(us for us, *_ in found["without"])
    for kind, rows in found.items():
        us = [row[0] for row in rows]
        middle, written = statistics.median(us), statistics.median(row[1] for row in rows)
        each = statistics.median(row[2] for row in rows) * 1e3
        print(
            f"{kind:<14}{middle:>12.1f}{min(us):>8.1f}{max(us):>8.1f}{middle / base:>8.3f}{written:>9.0f}{each:>13.2f}"
        )


if __name__ == "__main__":
    main()
