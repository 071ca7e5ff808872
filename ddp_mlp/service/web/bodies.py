"""Bodies of requests beside those for new jobs."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct, field


class Stop(Struct, forbid_unknown_fields=True):
    """The body of a request to stop."""

    force: bool = False


class Resume(Struct, forbid_unknown_fields=True):
    """The body of a request to go on."""

    overrides: Annotated[dict[str, Any], Meta(max_length=200)] = field(default_factory=dict)
