"""Writing the report of runs into a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ddp_mlp.durable import write_chosen, write_whole
from ddp_mlp.report.page import page_of
from ddp_mlp.report.record import read_record
from ddp_mlp.run.files.directory import REPORT


def write_report(runs: Sequence[Path], out: Path | None = None) -> Path:
    """Write the page of one run, or of several beside each other, and return where it is.

    Parameters
    ----------
    out : Path or None
        None for ``report.html`` in the directory of the one run; of several, where the program was started.

    Raises
    ------
    MissingInputError
        If one of them is no run.
    OutputError, StorageError
        If the page cannot be written.
    """
    page = page_of([read_record(run) for run in runs]).encode(errors="backslashreplace")
    if out is None and len(runs) == 1:
        write_whole(runs[0] / REPORT, page)
        return runs[0] / REPORT
    chosen = Path(REPORT) if out is None else out
    write_chosen(chosen, page)
    return chosen
