"""The values that the names of classes stand for: whole numbers, booleans, or text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from ddp_mlp.data.schema import Schema

#: Names of false and true, as tables have them.
BOOLEANS = ("false", "true")
#: Digits, with the sign, of numbers that int64 holds whatever they are.
_MOST_DIGITS = 18


def are_booleans(names: Collection[str]) -> bool:
    """Tell whether names are those of false and true; every program that writes them has its own capitals."""
    return sorted(name.lower() for name in names) == list(BOOLEANS)


def class_values(schema: Schema) -> NDArray[Any] | None:
    """Return the classes as they were given, shape (C,); None for quantities.

    They are text where text trained the model, else whole numbers or booleans where all their names are such.
    """
    names = schema.classes
    if names is None:
        return None
    if schema.class_kind != "text" and are_booleans(names):
        return np.array([name.lower() == "true" for name in names])
    is_whole = schema.class_kind != "text" and all(map(_is_whole, names))
    return np.array(names, np.int64 if is_whole else np.str_)


def _is_whole(name: str) -> bool:
    is_number = name.removeprefix("-").isdecimal() and len(name) <= _MOST_DIGITS
    return is_number and name == str(int(name))
