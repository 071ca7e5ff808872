"""The fields of a struct, whose types are found once: that takes a third of a millisecond each time."""

from __future__ import annotations

from functools import cache

import msgspec


@cache
def fields_of(kind: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """Return the fields of a struct."""
    return msgspec.structs.fields(kind)
