"""Two tiers: what runs always, and what runs with ``pytest --all``."""

from __future__ import annotations

from typing import Any

import pytest

#: Mark of a test, or of a file, that runs with ``--all`` only.
THOROUGH = pytest.mark.thorough


def thorough(*values: Any) -> Any:
    """Return a case of `parametrize` that runs with ``--all`` only."""
    return pytest.param(*values, marks=THOROUGH)
