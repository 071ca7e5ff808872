"""The tutorial does what it says: its files are written, its commands run, and its outputs are what they print."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runs import run
from tests.tiers import THOROUGH

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```(python|c|bash|text)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(page: str) -> Iterator[tuple[str, str]]:
    """Yield kind and text of each block of a page that is a file, commands, or what they print."""
    yield from BLOCK.findall((DOCS / page).read_text())


def masked(text: str) -> str:
    """Return a text without the numbers, hashes and widths of columns that differ from machine to machine."""
    return re.sub(r"\s+", " ", re.sub(r"\b([0-9a-f]{12,}|\d[\d.,e+-]*)\b", "0", text)).strip()


def missing_lines(told: str, printed: str) -> list[str]:
    """Return the lines of a page that were not printed, in this order, or begin none that was."""
    lines = iter([masked(line) for line in printed.splitlines()])
    return [line for line in told.splitlines() if not any(found.startswith(masked(line)) for found in lines)]


def test_lines_that_differ_in_words_or_order_are_found():
    printed = "rows 2160\nstatus  finished\nepochs  12"
    assert missing_lines("rows 7\nepochs 3", printed) == []
    assert missing_lines("status stopped", printed) == ["status stopped"]
    assert missing_lines("epochs 1\nrows 1", printed) == ["rows 1"]


@THOROUGH
@pytest.mark.mpi
@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", ["tutorial.md"])
def test_a_page_can_be_followed(page, tmp_path):
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    if shutil.which("cc") is None:
        assert "DDP_MLP_REQUIRE_FORTRAN" not in os.environ, "a C compiler is required here"
        pytest.skip("a C compiler is not installed")
    printed = ""
    kinds = [kind for kind, _ in blocks(page)]
    assert kinds.count("bash") > 5
    for kind, text in blocks(page):
        if kind in ("python", "c"):
            (tmp_path / re.match(r"(?:#|/\*) (\S+\.(?:py|c))\b", text)[1]).write_text(text)
        elif kind == "bash":
            done = run(["bash", "-euo", "pipefail", "-c", f"exec 2>&1\n{text}"], tmp_path, PATH=path)
            assert done.code == 0, f"{text}\n{done.out}"
            printed = done.out
        else:
            assert missing_lines(text, printed) == [], printed
