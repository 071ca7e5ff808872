"""Rows of the table of figures."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Row:
    """One kind of fault: how often, what went wrong, and how long it took.

    Attributes
    ----------
    seconds : list of float
        From the fault to the end of the job, where that is of interest.
    failures : list of str
        What was not as it must be; empty for a good row.
    note : str
        What else is worth telling, such as the seed, or why it was left out.
    """

    name: str
    trials: int = 0
    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    note: str = ""

    def check(self, *, good: bool, otherwise: str) -> None:
        """Note a failure unless all is good."""
        if not good:
            self.failures.append(otherwise)

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as text."""
        times = ("", "")
        if self.seconds:
            times = (f"{statistics.median(self.seconds):.2f}", f"{max(self.seconds):.2f}")
        return (self.name, str(self.trials), str(len(self.failures)), *times, self.note)

    def as_dict(self) -> dict[str, Any]:
        """Return the row for JSON."""
        return asdict(self)


HEADER = ("fault", "trials", "failures", "p50 s", "max s", "note")


def as_table(rows: Iterable[Row]) -> str:
    """Return rows as a Markdown table."""
    lines: list[Sequence[str]] = [HEADER, *(row.cells for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADER))]
    text = [" | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    text.insert(1, "-|-".join("-" * width for width in widths))
    return "\n".join(f"| {line} |" if i != 1 else f"|-{line}-|" for i, line in enumerate(text))
