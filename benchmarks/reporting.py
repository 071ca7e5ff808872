"""Results as tables in Markdown, and where they are kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose columns are aligned, so that it reads well in a terminal too."""
    lines = [list(head), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        first, *others = cells
        padded = [f"{first:<{widths[0]}}"] + [f"{cell:>{w}}" for cell, w in zip(others, widths[1:], strict=True)]
        return "| " + " | ".join(padded) + " |"

    rule = "|" + "|".join(["-" * (widths[0] + 2)] + ["-" * (w + 1) + ":" for w in widths[1:]]) + "|"
    return "\n".join([line(lines[0]), rule, *map(line, lines[1:])])


def save(name: str, text: str, figures: dict[str, Any], json_file: Path | None = None) -> None:
    """Print a table and save it as Markdown, and its figures as JSON beside it or in `json_file`."""
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text + "\n")
    (json_file or RESULTS / f"{name}.json").write_text(json.dumps(figures, indent=1) + "\n")
