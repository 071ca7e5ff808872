"""The progress of a training in a notebook or a terminal, and its lines in the log of Python."""

from __future__ import annotations

import logging
import sys
from typing import Any, Protocol

from ddp_mlp.training.report import Report

_LOG = logging.getLogger("ddp_mlp")
_WARNING = "warning: "


class Display(Protocol):
    """Something that shows where a training stands."""

    def show(self, report: Report) -> None:
        """Show a report."""

    def close(self) -> None:
        """Leave the display as it is."""


def log(line: str) -> None:
    """Hand a line to the logger ``ddp_mlp``: one that warns as a warning, which Python shows unless told otherwise."""
    if line.startswith(_WARNING):
        _LOG.warning("%s", line.removeprefix(_WARNING))
    else:
        _LOG.info("%s", line)


def display(wanted: bool | None, epochs: int) -> Display:
    """Return a bar; where nobody has said whether it is wanted, in a notebook only."""
    if wanted is False or (wanted is None and not _in_notebook()):
        return NoDisplay()
    return NotebookBar(epochs) if _in_notebook() else TerminalBar(epochs)


def _in_notebook() -> bool:
    """Tell whether this process is the kernel of a notebook."""
    shell = sys.modules.get("IPython")
    current = shell.get_ipython() if shell is not None else None
    return current is not None and hasattr(current, "kernel")


def _words(report: Report, row: dict[str, Any], epochs: int) -> str:
    told = [f"{name} {row[name]:.5g}" for name in row if "loss" in name or name.startswith("valid_") if row[name] != ""]
    return "  ".join([f"epoch {report.epoch}/{epochs}", *told])


class NoDisplay:
    """A display of nothing at all."""

    def show(self, report: Report) -> None:
        """Stay silent."""

    def close(self) -> None:
        """Stay silent."""


class NotebookBar:
    """A bar below the cell that trains; it needs no widgets."""

    def __init__(self, epochs: int) -> None:
        from IPython.display import DisplayHandle

        self._epochs, self._row = epochs, dict[str, Any]()
        self._handle = DisplayHandle()
        self._is_shown = False

    def show(self, report: Report) -> None:
        """Move the bar."""
        self._row = report.finished_epoch or self._row
        done, total = report.step, report.step + report.steps_left
        words = _words(report, self._row, self._epochs)
        page = f'<progress value="{done}" max="{max(total, 1)}" style="width:20em"></progress> {words}'
        bundle = {"text/html": page, "text/plain": f"{words}  ({done}/{total} steps)"}
        (self._handle.update if self._is_shown else self._handle.display)(bundle, raw=True)
        self._is_shown = True

    def close(self) -> None:
        """Leave the bar where it is."""


class TerminalBar:
    """A bar on standard error."""

    def __init__(self, epochs: int) -> None:
        from rich.console import Console
        from rich.progress import Progress

        self._epochs, self._row = epochs, dict[str, Any]()
        self._progress = Progress(console=Console(stderr=True, highlight=False))
        self._task = self._progress.add_task("training", total=None)
        self._progress.start()

    def show(self, report: Report) -> None:
        """Move the bar."""
        self._row = report.finished_epoch or self._row
        total = report.step + report.steps_left
        words = _words(report, self._row, self._epochs)
        self._progress.update(self._task, description=words, completed=report.step, total=total)

    def close(self) -> None:
        """Leave the bar where it is."""
        self._progress.stop()
