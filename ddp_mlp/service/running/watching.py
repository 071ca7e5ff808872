"""A look into a run directory while the run goes on: rows of epochs that are new, and a summary for lists."""

from __future__ import annotations

import math
import os
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ddp_mlp.plain_files import open_plain
from ddp_mlp.report.records.state import config_of, takes_last
from ddp_mlp.service.running.standing import read_status

SPARKS = 60
#: Bytes of a table that are read at once, and rows that are told of after a look.
_MOST_BYTES, _MOST_NEWS = 2**22, 2000
Row = dict[str, float | None]


@dataclass
class Watch:
    """The knowledge of the run of one job.

    Attributes
    ----------
    offset : int
        Bytes of ``metrics.csv`` that were read.
    losses : list of float
        Of all epochs: of validation where rows validate.
    best : dict or None
        Metric, value and epoch of the model: of the lowest loss, or of the last epoch where the run takes that.
    configured : int
        Time of the ``config.toml`` that `is_of_last` is of.
    """

    run_dir: Path
    epochs: int | None = None
    columns: list[str] = field(default_factory=list)
    offset: int = 0
    losses: list[float] = field(default_factory=list)
    latest: Row = field(default_factory=dict)
    best: dict[str, Any] | None = None
    step: int = 0
    seen: tuple[int, int] = (0, 0)
    configured: int = 0
    is_of_last: bool = False

    def look(self) -> list[Row] | None:
        """Return the rows that are new; None where nothing at all is."""
        mark = (_stamp(self.run_dir / "status.json"), _size(self.run_dir / "metrics.csv"))
        if mark == self.seen:
            return None
        self.seen = mark
        step = read_status(self.run_dir).get("step")
        self.step = step if isinstance(step, int) else self.step
        return self._read_rows()

    def summary(self, started_utc: str | None) -> dict[str, Any]:
        """Return the columns of the store that tell of the run."""
        return {
            "progress": self._progress(started_utc),
            "latest": {k: v for k, v in self.latest.items() if k.startswith(("train_", "valid_"))},
            "best": self.best,
            "sparkline": sparkline(self.losses),
        }

    def _progress(self, started_utc: str | None) -> dict[str, Any] | None:
        if not self.latest and not self.step:
            return None
        epoch = int(self.latest.get("epoch") or 0)
        elapsed = (datetime.now(UTC) - datetime.fromisoformat(started_utc)).total_seconds() if started_utc else None
        pace = self.latest.get("wall_s")
        left = max(self.epochs - epoch, 0) * pace if pace is not None and self.epochs else None
        return {
            "epoch": epoch, "epochs": self.epochs, "step": max(self.step, int(self.latest.get("step") or 0)),
            "samples_per_s": self.latest.get("samples_per_s"), "elapsed_s": elapsed, "remaining_s": left,
        }  # fmt: skip

    def _read_rows(self) -> list[Row]:
        path = self.run_dir / "metrics.csv"
        configured = _stamp(self.run_dir / "config.toml")
        if _size(path) < self.offset or configured != self.configured:  # cut back, or judged anew: all of it again
            self.offset, self.losses, self.columns, self.best = 0, [], [], None
            self.configured, self.is_of_last = configured, takes_last(config_of(self.run_dir, []))
        newest: deque[Row] = deque(maxlen=_MOST_NEWS)
        while lines := self._new_lines(path):
            if not self.columns:
                self.columns = lines.pop(0).split(",")
            for row in filter(None, (row_of(self.columns, line) for line in lines)):
                self._note(row)
                newest.append(row)
        return list(newest)

    def _new_lines(self, path: Path) -> list[str]:
        """Return whole lines that were not read yet, some at a time."""
        with suppress(OSError), open_plain(path) as file:
            file.seek(self.offset)
            content = file.read(_MOST_BYTES)
            whole = content[: content.rfind(b"\n") + 1]
            self.offset += len(whole)
            return whole.decode("latin-1").splitlines()
        return []

    def _note(self, row: Row) -> None:
        metric = "train_loss" if row.get("valid_loss") is None else "valid_loss"
        loss = row.get(metric)
        self.latest = row
        if loss is None:
            return
        self.losses.append(loss)
        if self.is_of_last or self.best is None or self.best["metric"] != metric or loss < self.best["value"]:
            self.best = {"metric": metric, "value": loss, "epoch": int(row.get("epoch") or 0)}


def row_of(columns: list[str], line: str) -> Row | None:
    """Return a line of a table as numbers, None where a cell has no finite one; None for what is no row."""
    cells = line.split(",")
    if len(cells) != len(columns) or not cells[0].isdigit():
        return None
    return {name: _number(cell) for name, cell in zip(columns, cells, strict=True)}


def sparkline(losses: list[float]) -> list[float]:
    """Return at most `SPARKS` of the numbers, evenly spaced, the last one among them.

    Examples
    --------
    >>> sparkline([3.0, 2.0, 1.0]), len(sparkline([0.0] * 1000))
    ([3.0, 2.0, 1.0], 60)
    """
    n = len(losses)
    if n <= SPARKS:
        return [float(f"{loss:.5g}") for loss in losses]
    return [float(f"{losses[(i + 1) * n // SPARKS - 1]:.5g}") for i in range(SPARKS)]


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _stamp(path: Path) -> int:
    with suppress(OSError):
        return path.lstat().st_mtime_ns
    return 0


def _size(path: Path) -> int:
    with suppress(OSError):
        return os.lstat(path).st_size
    return 0
