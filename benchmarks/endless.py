"""A job on the rows of `saving.make_rows` that goes on until it is stopped, for benchmarks of what stands beside it."""

from __future__ import annotations

from pathlib import Path

CONFIG = """
[data]
train = "rows.h5"
[model]
hidden = [128]
[optimizer]
name = "momentum"
learning_rate = 0.01
[train]
epochs = 1000000
early_stopping_patience = 0
global_batch_size = 128
[checkpoint]
every_minutes = 0.1
"""


def epochs_of(run: Path) -> list[float]:
    """Return the seconds of each epoch of a run so far."""
    lines = (run / "metrics.csv").read_text().splitlines()
    column = lines[0].split(",").index("wall_s")
    return [float(cells[column]) for line in lines[1:] if len(cells := line.split(",")) == lines[0].count(",") + 1]
