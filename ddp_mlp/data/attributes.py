"""Attributes of HDF5 objects as plain Python values; what is not understood reads as absent.

An attribute is a convenience: a wrong one must not keep a data set from being read, and a
forged one must not reach a terminal unescaped.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ddp_mlp.errors import printable

_MAX_NAMES = 10_000_000


def read_attribute(node: Any, name: str) -> Any | None:
    """Return an attribute as h5py gives it, with text as str, or None if it cannot be read."""
    try:
        value = node.attrs[name]
    except (KeyError, OSError, RuntimeError, ValueError, TypeError):
        return None
    if isinstance(value, np.ndarray) and value.shape == ():
        value = value[()]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value


def read_text(node: Any, name: str) -> str | None:
    """Return a text attribute, control characters escaped."""
    value = read_attribute(node, name)
    return printable(value) if isinstance(value, str) else None


def read_int(node: Any, name: str) -> int | None:
    """Return an integer attribute, or None if it is absent or negative."""
    value = read_attribute(node, name)
    return int(value) if isinstance(value, int | np.integer) and value >= 0 else None


def read_ints(node: Any, name: str) -> tuple[int, ...] | None:
    """Return an attribute that is a short vector of positive integers."""
    value = read_attribute(node, name)
    if not isinstance(value, np.ndarray) or value.ndim != 1 or value.dtype.kind not in "iu" or len(value) > 8:
        return None
    return tuple(int(v) for v in value) if (value > 0).all() else None


def read_names(node: Any, name: str, length: int | None) -> tuple[str, ...] | None:
    """Return an attribute that is a vector of texts, of the given length unless that is None."""
    value = read_attribute(node, name)
    if not isinstance(value, np.ndarray) or value.ndim != 1 or value.dtype.kind not in "OSU":
        return None
    if not 0 < len(value) <= _MAX_NAMES or (length is not None and len(value) != length):
        return None
    texts = [v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in value]
    return tuple(map(printable, texts)) if all(isinstance(t, str) for t in texts) else None
