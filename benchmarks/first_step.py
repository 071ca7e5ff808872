"""``ddp-mlp ARGUMENTS`` that notes when its first step was done, for `benchmarks.startup`.

FIRST_STEP_FILE names the file that gets the time of day, in seconds.
"""

from __future__ import annotations

import os
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import ddp_mlp.cli.progress
from ddp_mlp.__main__ import main


class FirstStep:
    """Shows nothing; the first report, which comes after the first step, is noted."""

    def __init__(self) -> None:
        self._file: Path | None = Path(os.environ["FIRST_STEP_FILE"])

    def show(self, _report: object) -> None:
        if self._file:
            self._file.write_text(repr(time.time()))
            self._file = None

    def tell(self, _line: str) -> None:
        pass

    def watch(self, _share: float) -> None:
        pass


def make_progress(*_: object) -> AbstractContextManager[FirstStep]:
    return nullcontext(FirstStep())


if __name__ == "__main__":
    ddp_mlp.cli.progress.make_progress = make_progress
    main()
