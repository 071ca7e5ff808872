"""With ``--all`` kernels are tested on arrays between guarded pages: a stray read or write ends the session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.guarded_memory import BEGINNING, END, guarded_arrays


@pytest.fixture(autouse=True)
def arrays_at_guarded_pages(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let arrays end at a guarded page, or, in half of the tests, begin at one."""
    if not request.config.getoption("--all"):
        yield
        return
    with guarded_arrays(BEGINNING if sum(request.node.nodeid.encode()) % 2 else END):
        yield
