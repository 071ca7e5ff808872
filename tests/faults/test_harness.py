"""The short form of ``python -m tests.faults``: each kind of fault a few times, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.jobs import clean_environment
from tests.tiers import thorough

#: Set where strace must be there, so that nothing is skipped unseen.
_MUST = "DDP_MLP_REQUIRE_STRACE"


@pytest.mark.parametrize(
    "name",
    [
        "bits",
        *(
            thorough(name)
            for name in (
                "directories",
                "values",
                "kills",
                "files",
                "jobs",
                "models",
                "calls",
                "disks",
                "stops",
                "study",
                "configurations",
                "service",
            )
        ),
    ],
)
def test_nothing_is_lost(name):
    command = [sys.executable, "-m", "tests.faults", name, "--json"]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], env=clean_environment(), capture_output=True, text=True, timeout=280
    )
    assert done.stdout, done.stderr
    rows = json.loads(done.stdout)
    assert rows
    for row in rows:
        assert row["failures"] == [], row["name"]
        if not row["trials"]:
            assert name != "calls" or _MUST not in os.environ, row["note"]
            pytest.skip(row["note"])
    assert done.returncode == 0, done.stderr
