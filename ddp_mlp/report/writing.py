"""Writing the report of runs into a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ddp_mlp.durable import write_chosen, write_whole
from ddp_mlp.report.markup import Markup, element, joined
from ddp_mlp.report.page import page_of
from ddp_mlp.report.record import Record, read_record
from ddp_mlp.run.files.directory import REPORT


def write_report(
    runs: Sequence[Path],
    out: Path | None = None,
    *,
    data: str | None = None,
    split: str | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Path:
    """Write the page of one run, or of several beside each other, and return where it is.

    Parameters
    ----------
    out : Path or None
        None for ``report.html`` in the directory of the one run; of several, where the program was started.

    data, split : str or None
        Rows that the models are to answer, see `ddp_mlp.report.answers.answer`; None for those that validated the one
        run, where that is cheap.
    tell : callable
        Called with each line about what was understood of `data`.

    Raises
    ------
    MissingInputError, DataError, UsageError
        If one of them is no run, or cannot answer `data`.
    OutputError, StorageError
        If the page cannot be written.
    """
    records = [read_record(run) for run in runs]
    page = page_of(records, _answers(records, data, split, tell)).encode(errors="backslashreplace")
    if out is None and len(runs) == 1:
        write_whole(runs[0] / REPORT, page)
        return runs[0] / REPORT
    chosen = Path(REPORT) if out is None else out
    write_chosen(chosen, page)
    return chosen


def _answers(
    records: Sequence[Record], data: str | None, split: str | None, tell: Callable[[str], None]
) -> dict[int, Markup]:
    if data is None and len(records) > 1:
        return {}
    # Kernels are loaded here alone: a page without answers needs none.
    from ddp_mlp.report.answer_page import answer_section
    from ddp_mlp.report.answers import answer, answer_unasked

    if data is not None:
        return {i: answer_section(answer(record, data, split, tell)) for i, record in enumerate(records)}
    from ddp_mlp.report.about_data import about_data

    found = answer_unasked(records[0])
    if isinstance(found, str):
        return {0: element("p", found, class_="hint")} if found else {}
    return {0: joined([answer_section(found), about_data(records[0])])}
