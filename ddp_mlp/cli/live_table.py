"""Studies while they run: a live table in a terminal, a line for each trial elsewhere."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from ddp_mlp.cli.options import tell
from ddp_mlp.cli.terminal import make_console, size_to_draw_in

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from ddp_mlp.comm import Communicator
    from ddp_mlp.study.execution.desk import Desk

#: Seconds between two drawings.
_EVERY_S = 0.25
#: Trials that are over, the newest, below those that run.
_MOST_OVER = 8


class View(Protocol):
    """Shows a study."""

    def look(self, desk: Desk) -> None:
        """Show where the trials stand."""

    def tell(self, line: str) -> None:
        """Show a line that stays."""


def make_view(comm: Communicator) -> AbstractContextManager[View]:
    """Return the view of a study on this rank, as for `make_progress`."""
    size = size_to_draw_in(os.environ.get("DDP_MLP_PROGRESS", "auto"), comm.rank, comm.world_size)
    return LiveTable(*size) if size else nullcontext(Lines())


class Lines:
    """Prints a line for each trial that is over."""

    def __init__(self) -> None:
        self._said: set[int] = set()
        self._n_over = 0

    def look(self, desk: Desk) -> None:
        """Print a line for each trial that has ended since the last look."""
        if len(self._said) < len(desk.over):
            for number in [number for number in desk.over if number not in self._said]:
                self._said.add(number)
                summary = desk.over[number]
                self._n_over += summary["status"] != "stopped"
                tell(f"{summary['name']}: {summary['status']}{_scores(summary)}; {self._n_over} over")

    def tell(self, line: str) -> None:
        """Print a line."""
        tell(line)


class LiveTable:
    """Draws a table of the trials that run, and of the newest that are over, below the lines."""

    def __init__(self, columns: int, lines: int) -> None:
        from rich.live import Live

        self._live = Live(console=make_console(columns, lines), auto_refresh=False, transient=True)
        self._most = max(1, lines - 6)
        self._drawn_at = 0.0

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def look(self, desk: Desk) -> None:
        """Draw the table anew, unless that was done a moment ago."""
        if monotonic() - self._drawn_at >= _EVERY_S:
            self._drawn_at = monotonic()
            self._live.update(table_of(desk, self._most), refresh=True)

    def tell(self, line: str) -> None:
        """Print a warning above the table, which shows all else."""
        if line.startswith(("warning", "error")):
            self._live.console.print(line, markup=False, soft_wrap=True)


def table_of(desk: Desk, most: int) -> Table:
    """Return the table of a study, of `most` rows."""
    from rich.table import Table

    table = Table(title=f"trials: {len(desk.running)} running, {len(desk.over)} over", title_justify="left")
    for name in ("trial", "values", "epoch", "score"):
        table.add_column(name, no_wrap=name in ("trial", "epoch"))  # which are whole in a narrow terminal too
    running = sorted(desk.running.values(), key=lambda task: task.number)
    for task in running[:most]:
        epoch = f"{task.progress.get('epoch', 0)}/{task.progress.get('epochs', '?')}"
        scores = "  ".join(f"{name} {task.progress[name]:.5g}" for name in _LOSSES if name in task.progress)
        table.add_row(task.name, _cut(_values(task.trial)), epoch, _cut(scores))
    newest = list(desk.over.values())[::-1][: min(_MOST_OVER, max(0, most - len(running)))]
    for summary in newest:
        table.add_row(
            summary["name"], _cut(_values(summary["values"])), str(summary.get("best_epoch", "")),
            _cut(f"{summary['status']}{_scores(summary)}"),
        )  # fmt: skip
    return table


def _values(trial: Sequence[str]) -> str:
    """Return the assignments of a trial without sections, and with numbers of five digits."""
    from ddp_mlp.study.table import short_value

    pairs = [assignment.split("=", 1) for assignment in trial]
    return " ".join(f"{key.rpartition('.')[2]}={short_value(value)}" for key, value in pairs)


def _cut(text: str) -> Text:
    """Return a text that ends with an ellipsis where its line does."""
    from rich.text import Text

    return Text(text, no_wrap=True, overflow="ellipsis")


_LOSSES = ("train_loss", "valid_loss")


def _scores(summary: dict[str, Any]) -> str:
    """Return the scores of the best epoch, as the end of a line."""
    names = [name for name in summary if name.startswith("best_") and isinstance(summary[name], float)]
    return "".join(f"  {name.removeprefix('best_')} {summary[name]:.5g}" for name in names)
