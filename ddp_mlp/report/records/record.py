"""The record of a run: its files as they are at one moment, whoever wrote them, whether it goes on or not."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ddp_mlp.checkpoint.model import load_model, refuse_ensemble
from ddp_mlp.data.schema import Schema
from ddp_mlp.errors import DdpMlpError, MissingInputError, printable
from ddp_mlp.plain_files import is_directory, read_lines
from ddp_mlp.report.records.history import History, read_history
from ddp_mlp.report.records.state import config_of, holds_record, state_of, status_of, study_metric, takes_last

#: Lines of a log that a page shows, the newest ones; all of them are searched for stops and starts.
_LOG_LINES = 200
_STEP = re.compile(r"step[ -](\d{1,18})")
#: Phrases of lines of a log that tell of a start or a stop, and the word for it on a chart.
_PHRASES = (("going on from ", "resumed"), ("stopped by ", "stopped"))


@dataclass(frozen=True)
class Mark:
    """A step at which a run was stopped or went on."""

    kind: str
    step: int
    when: str


@dataclass(frozen=True)
class Record:
    """A run as its directory tells it.

    Attributes
    ----------
    name : str
        Name of the directory.
    config : dict
        Tables of ``config.toml``, as resolved by the run; empty where it cannot be read.
    status : dict
        Values of ``status.json``; empty where there is none yet.
    state : str
        "running", "finished", "early-stopped", "target-reached", "paused", "stopped", "failed", "died" (its job is gone
        without a word) or "unknown".
    schema : Schema or None
        Of ``model.h5``, once there is one.
    n_parameters : int or None
    remarks : tuple of str
        Reasons why a part is missing.
    metric : str
        What the study that it is of was asked to rank by; empty without one.
    """

    path: Path
    name: str
    config: dict[str, Any]
    status: dict[str, Any]
    state: str
    history: History
    marks: tuple[Mark, ...]
    log: tuple[str, ...]
    schema: Schema | None
    n_parameters: int | None
    remarks: tuple[str, ...] = field(default=())
    metric: str = ""

    def setting(self, section: str, key: str) -> Any:
        """Return a value of the configuration; None where there is none."""
        table = self.config.get(section)
        return table.get(key) if isinstance(table, dict) else None

    def score(self, name: str) -> float | None:
        """Return a score of the model: of its epoch, or measured when the run had ended; None where there is none."""
        value = self.history.at(name, self.history.best)
        return self.number(f"best_{name}") if value is None else value

    def number(self, key: str) -> float | None:
        """Return a number of ``status.json``; None where there is none."""
        value = self.status.get(key)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def read_record(path: Path, *, with_model: bool = True) -> Record:
    """Read the files of a run, which may be going on.

    Parameters
    ----------
    with_model : bool
        Whether the schema is wanted, for which the model has to be read.

    Raises
    ------
    MissingInputError
        If there is no run.
    UsageError
        If it is an ensemble.
    """
    if not is_directory(path):
        raise MissingInputError(f"{path}: no such directory; name a run directory, such as runs/NAME")
    refuse_ensemble(path)
    if not holds_record(path):
        raise MissingInputError(f"{path}: no run in this directory (no config.toml); name one, such as runs/NAME")
    remarks: list[str] = []
    status = status_of(path, remarks)
    marks, log = _log(path, remarks)
    schema, n_parameters = _model(path, remarks) if with_model else (None, None)
    told = status.get("n_parameters")
    config = config_of(path, remarks)
    history = replace(read_history(path / "metrics.csv", remarks), is_of_last=takes_last(config))
    return Record(
        path, printable(path.resolve().name), config, status, state_of(path, status), history, marks, log,
        schema, told if isinstance(told, int) else n_parameters, tuple(remarks), study_metric(path.resolve()),
    )  # fmt: skip


def _log(path: Path, remarks: list[str]) -> tuple[tuple[Mark, ...], tuple[str, ...]]:
    marks: list[Mark] = []
    newest: deque[str] = deque(maxlen=_LOG_LINES)
    try:
        for line in read_lines(path / "log.txt"):
            newest.append(line.rstrip("\r\n"))
            marks += _marks_in(line)
    except FileNotFoundError:
        pass
    except OSError as error:
        remarks.append(f"log.txt: cannot be read: {error.strerror}")
    return tuple(marks), tuple(map(printable, newest))


def _marks_in(line: str) -> Iterator[Mark]:
    when, _, text = line.partition(" ")
    for phrase, kind in _PHRASES:
        if text.startswith(phrase) and (steps := _STEP.findall(text)):
            yield Mark(kind, int(steps[-1]), printable(when)[:40])


def _model(path: Path, remarks: list[str]) -> tuple[Schema | None, int | None]:
    if not os.path.lexists(path / "model.h5"):
        return None, None
    try:
        model = load_model(path)
    except DdpMlpError as error:
        remarks.append(f"no description of the data: {error}")
        return None, None
    return model.schema, model.network.layout.n_parameters
