"""One of two ranks fails: figures of how long the job goes on."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.faults.jobs import TIMEOUT_S, Ended, make_folder, run_with_fault
from tests.faults.table import Row

#: Name of the row, the fault, exit code that it must end with (None: any but 0), longest seconds.
CASES = (
    ("exception on one rank in a step", "1|step 40|raise", 70, 1.5),
    ("exception on one rank while loading", "1|while loading the data|raise", 70, 1.5),
    ("SIGKILL of one rank in a step", "1|step 40|kill", 70, 1.5),
    ("segmentation fault of one rank", "1|step 40|segfault", 70, 1.5),
    ("os._exit(0) of one rank", "1|step 40|leave=0", 70, 1.5),
    ("SIGSTOP of one rank", "1|step 40|stop", 80, TIMEOUT_S + 2),
    ("one rank sleeps", "1|step 40|sleep", 80, TIMEOUT_S + 2),
    ("rank 0 sleeps while saving", "0|while saving|sleep", 80, TIMEOUT_S + 2),
)


def failing_ranks(n: int) -> list[Row]:
    """Let each fault happen `n` times."""
    with tempfile.TemporaryDirectory(prefix="ddp-mlp-faults-") as name:
        folder = make_folder(Path(name))
        return [_row(folder, n, *case) for case in CASES]


def _row(folder: Path, n: int, name: str, fault: str, code: int | None, longest_s: float) -> Row:
    row = Row(name, note=f"time-out {TIMEOUT_S:g} s" if code == 80 else "")
    for _ in range(n):
        ended = run_with_fault(folder, fault)
        row.trials += 1
        row.seconds.append(ended.wait_s)
        _check(row, ended, code, longest_s)
    return row


def _check(row: Row, ended: Ended, code: int | None, longest_s: float) -> None:
    row.check(good=ended.code == code, otherwise=f"exit code {ended.code}: {ended.err[-500:]}")
    row.check(good=ended.wait_s < longest_s, otherwise=f"{ended.wait_s:.2f} s, more than {longest_s:g}")
    row.check(
        good=len(ended.error_lines) == 1, otherwise=f"{len(ended.error_lines)} lines of error: {ended.err[-500:]}"
    )
    row.check(good=not ended.leftovers, otherwise=f"stays behind: {ended.leftovers}")
