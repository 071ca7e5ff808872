"""Writing the report of runs into a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ddp_mlp.checkpoint.model import is_ensemble
from ddp_mlp.durable import destination, write_chosen, write_whole
from ddp_mlp.errors import printable
from ddp_mlp.plain_files import is_directory
from ddp_mlp.report.pages.page import WHOLE, page_of
from ddp_mlp.report.records.groups import best_first
from ddp_mlp.report.records.listing import find_runs
from ddp_mlp.report.records.record import Record, read_record
from ddp_mlp.report.records.state import holds_record
from ddp_mlp.run.files.directory import REPORT

if TYPE_CHECKING:
    from ddp_mlp.report.findings.gathering import Findings
    from ddp_mlp.report.pages.markup import Markup


def write_report(
    runs: Sequence[Path],
    out: Path | None = None,
    *,
    data: str | None = None,
    split: str | None = None,
    figures: Path | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Path:
    """Write the page of one run, or of several beside each other, and return where it is.

    Parameters
    ----------
    runs : sequence of Path
        Run directories, or directories that hold runs, such as those of studies.
    out : Path or None
        None for ``report.html`` in the directory of the one run or study; of several, where the program was started.
    data, split : str or None
        Rows that the models are to answer, see `ddp_mlp.report.findings.answers.answer`; None for those that validated
        the one run, where that is cheap.
    figures : Path or None
        Directory into which each chart is written as SVG and PDF too.
    tell : callable
        Called with each line about what was understood of `data`, and how many figures there are.

    Raises
    ------
    MissingInputError, DataError, UsageError
        If one of them is no run, or cannot answer `data`.
    OutputError, StorageError
        If the page or a figure cannot be written.
    """
    is_beside = out is None and len(runs) == 1
    chosen = runs[0] / REPORT if is_beside else out or Path(REPORT)
    records = records_of(runs)
    destination(chosen)  # refused before the work
    found = _findings(records, data, split, tell)
    together = _together(runs, records, data, split, tell)
    name = printable(runs[0].resolve().name) if len(runs) == 1 else ""
    sections = _sections(found if together is None else {**found, WHOLE: together})
    page = page_of(records, sections, name).encode(errors="backslashreplace")
    if figures is not None:
        from ddp_mlp.report.figures import write_figures  # loads Matplotlib

        written = write_figures(figures, records, together or (found.get(0) if len(records) == 1 else None))
        tell(f"written: {figures}/ ({len(written) // 2} figures, each as SVG and PDF)")
    (write_whole if is_beside else write_chosen)(chosen, page)
    return chosen


def records_of(runs: Sequence[Path]) -> list[Record]:
    """Return the records of runs; in the place of a directory that holds runs, those below it, the best first.

    Raises
    ------
    MissingInputError
        If one of them is no run, and holds none.
    """
    return [record for path in runs for record in _records_at(path)]


def _records_at(path: Path) -> list[Record]:
    below = [] if holds_record(path) or not is_directory(path) else find_runs(path)
    if not below:
        return [read_record(path)]
    found = [replace(read_record(one, with_model=False), name=printable(os.path.relpath(one, path))) for one in below]
    return best_first(found)


def _together(
    runs: Sequence[Path], records: Sequence[Record], data: str | None, split: str | None, tell: Callable[[str], None]
) -> Findings | None:
    """Return the findings about the ensemble whose directory a report is of; None where it is of none."""
    if len(runs) > 1 or not is_ensemble(runs[0]):
        return None
    from ddp_mlp.report.findings.gathering import findings_of_ensemble

    return findings_of_ensemble(runs[0], records, data, split, tell)


def _sections(found: Mapping[int, Findings]) -> dict[int, Markup]:
    if not found:
        return {}
    from ddp_mlp.report.pages.data_sections import data_sections

    return {i: data_sections(one) for i, one in found.items()}


def _findings(
    records: Sequence[Record], data: str | None, split: str | None, tell: Callable[[str], None]
) -> dict[int, Findings]:
    """Return the findings about runs whose data were asked, by their place."""
    if data is None and (len(records) > 1 or records[0].state == "running"):
        return {}
    # Kernels are loaded here alone: a page without answers needs none.
    from ddp_mlp.report.findings.gathering import findings_on, findings_unasked

    if data is not None:
        return {i: findings_on(record, data, split, tell) for i, record in enumerate(records)}
    return {0: findings_unasked(records[0])}
