"""Times as the store and the API write them."""

from __future__ import annotations

from datetime import UTC, datetime


def now_utc() -> str:
    """Return the time now, in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
