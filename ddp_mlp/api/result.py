"""The result of a training, and its history."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ddp_mlp.api.model import Model
from ddp_mlp.comm import Communicator, agreed
from ddp_mlp.errors import counted
from ddp_mlp.run.files.table_lines import read_table


@dataclass(frozen=True, eq=False)
class Result:
    """The end of a training; the same on every rank, but for times.

    Attributes
    ----------
    model : Model
        That of the best epoch.
    history : dict of str to list
        The columns of ``metrics.csv``, one value an epoch; None where there is none.
    summary : dict
        As ``train --json`` prints it.
    """

    model: Model
    history: dict[str, list[Any]]
    summary: dict[str, Any]

    @property
    def weights_sha256(self) -> str:
        """Hash of the parameters after the last step: equal for equal bits."""
        return str(self.summary["weights_sha256"])

    @property
    def status(self) -> str:
        """Why it ended: "finished", "early-stopped", "target-reached" or "stopped"."""
        return str(self.summary["status"])

    @property
    def run_dir(self) -> Path | None:
        """The run directory, where there is one."""
        return Path(self.summary["run_dir"]) if self.summary["run_dir"] else None

    def __repr__(self) -> str:
        return f"<Result: {self.status} after {counted(self.summary['epochs'], 'epoch')}, {self.model!r}>"


def earlier_rows(comm: Communicator, directory: Path, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Collective. Return the rows of the epochs before those that were trained now."""
    first = rows[0]["epoch"] if rows else None
    text = "[]"
    with agreed(comm):
        if comm.rank == 0:
            table = [_as_numbers(cells) for cells in read_table(directory / "metrics.csv")]
            text = json.dumps([row for row in table if first is None or row["epoch"] < first])
    return list(json.loads(comm.share_text(text)[0]))


def _as_numbers(cells: Mapping[str, str]) -> dict[str, Any]:
    return {name: int(text) if text.isdecimal() else float(text) if text else "" for name, text in cells.items()}


def history_of(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Return rows as columns; an empty cell is None."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [None if row.get(name, "") == "" else row[name] for row in rows] for name in names}
