"""Progress on rank 0: a bar in a terminal, sparse plain lines in a file or under MPI."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from ddp_mlp.cli.options import tell
from ddp_mlp.cli.terminal import make_console, size_to_draw_in

if TYPE_CHECKING:
    from ddp_mlp.comm import Communicator
    from ddp_mlp.training.report import Report

#: Seconds between plain lines within an epoch.
_PLAIN_EVERY_S = 10.0


class Shown(Protocol):
    """Something that shows reports and lines."""

    def show(self, report: Report) -> None:
        """Show where the run stands."""

    def watch(self, share: float) -> None:
        """Show which share of the kernels is compiled."""

    def tell(self, line: str) -> None:
        """Show a line that stays."""


def make_progress(kind: str, comm: Communicator) -> AbstractContextManager[Shown]:
    """Return the display of the progress of a run on this rank."""
    if kind == "none":
        return nullcontext(Silent())
    size = size_to_draw_in(kind, comm.rank, comm.world_size)
    return Bar(*size) if size else nullcontext(Plain())


def _epoch_line(row: dict[str, Any], epochs: int) -> str:
    parts = [f"epoch {row['epoch']}/{epochs}", f"train_loss {row['train_loss']:#.5g}"]
    parts += [f"{name} {row[name]:#.5g}" for name in row if name.startswith("valid_") and row[name] != ""]
    return "  ".join([*parts, f"{row['samples_per_s']:,.0f} samples/s"])


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


class Silent:
    """Shows lines that matter, and no progress."""

    def show(self, report: Report) -> None:
        """Stay silent."""

    def watch(self, share: float) -> None:
        """Stay silent."""

    def tell(self, line: str) -> None:
        """Show a line that stays."""
        tell(line)


class Plain:
    """Prints a line for each epoch, and within long epochs every few seconds."""

    def __init__(self) -> None:
        self._started = self._last = monotonic()
        self._first_step: int | None = None

    def show(self, report: Report) -> None:
        """Print a line if an epoch ended or the last line is long ago."""
        now = monotonic()
        if self._first_step is None:
            self._first_step = report.step
            self._started = now
        if report.finished_epoch:
            tell(_epoch_line(report.finished_epoch, report.epochs))
        elif now - self._last >= _PLAIN_EVERY_S:
            rate = (report.step - self._first_step) / max(now - self._started, 1e-9)
            left = _duration(report.steps_left / rate) if rate else "?"
            tell(f"epoch {report.epoch + 1}/{report.epochs}  step {report.step}  {rate:,.1f} steps/s  {left} left")
        else:
            return
        self._last = now

    def watch(self, share: float) -> None:
        """Print a line if the last one is long ago."""
        if monotonic() - self._last >= _PLAIN_EVERY_S:
            tell(f"compiling kernels  {share:.0%}")
            self._last = monotonic()

    def tell(self, line: str) -> None:
        """Print a line."""
        tell(line)


class Bar:
    """Draws a bar with rate and remaining time under the lines of the epochs."""

    def __init__(self, columns: int, lines: int) -> None:
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn("{task.percentage:.0f} %"),
            TextColumn("{task.fields[steps]}"),
            TimeRemainingColumn(),
            console=make_console(columns, lines),
            transient=True,
        )
        self._task = self._progress.add_task("training", total=None, steps="")
        self._compiles = False

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, report: Report) -> None:
        """Move the bar."""
        if report.finished_epoch:
            self.tell(_epoch_line(report.finished_epoch, report.epochs))
        if self._compiles:
            self._progress.reset(self._task)  # the time that is left is that of steps from here on
            self._compiles = False
        speed = self._progress.tasks[0].speed
        self._progress.update(
            self._task,
            description=f"epoch {min(report.epoch + 1, report.epochs)}/{report.epochs}",
            completed=report.step,
            total=report.step + report.steps_left,
            steps=f"{report.step}/{report.step + report.steps_left} steps" + (f"  {speed:,.0f}/s" if speed else ""),
        )

    def watch(self, share: float) -> None:
        """Move the bar of compiling, which that of training follows."""
        self._compiles = True
        self._progress.update(self._task, description="compiling kernels", completed=share, total=1.0)

    def tell(self, line: str) -> None:
        """Print a line above the bar."""
        self._progress.console.print(line, markup=False, soft_wrap=True)
