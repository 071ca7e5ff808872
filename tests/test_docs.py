"""What the documents name is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("", "docs", "datasets", "examples")
DOCUMENTS = sorted(page for folder in FOLDERS for page in (ROOT / folder).glob("*.md"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_test_and_link_exists(document):
    text = document.read_text()
    named = re.findall(r"`(tests/[\w/.]+\.py)`", text)
    linked = list(re.findall(r"\]\(([^)#:]+)\)", text))
    missing = [name for name in named if not (ROOT / name).exists()]
    missing += [link for link in linked if not (document.parent / link).exists()]
    assert missing == []


def test_every_case_names_tests_and_harnesses_that_exist():
    from tests.faults.__main__ import NAMES

    text = (ROOT / "docs" / "reliability-cases.md").read_text()
    rows = [line.split("|") for line in text.splitlines() if re.match(r"\| [A-Z]\d\d[a-z]? ", line)]
    counts = {"C": 14, "R": 12, "S": 10, "B": 12, "X": 8, "Y": 5}
    names = [row[1].strip() for row in rows]
    others = [name for name in names if name[0] in counts]
    assert others == [f"{k}{n:02d}" for k, last in counts.items() for n in range(1, last + 1)]
    assert names[len(others) :] == sorted({name for name in names if name[0] == "U"})
    for _, case, _, _, shown_by, _ in rows:
        tests = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", shown_by)
        harnesses = re.findall(r"`python -m tests\.faults (\w+)`", shown_by)
        assert tests or harnesses, case
        assert shown_by.count("`") == 2 * (len(tests) + len(harnesses)), case
        assert [name for name in harnesses if name not in NAMES] == [], case
        missing = [f"{f}::{name}" for f, name in tests if f"\ndef {name}(" not in (ROOT / f).read_text()]
        assert missing == [], case
