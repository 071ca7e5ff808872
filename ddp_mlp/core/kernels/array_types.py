"""Numba's types of what annotations say about memory, for those that compile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import numpy as np
from numba import from_dtype, types

from ddp_mlp.core.kernels.arrays import numpy_name
from ddp_mlp.core.kernels.entry_points import Kind

_SCALARS = {
    int: types.int64,
    float: types.float64,
    bool: types.boolean,
    np.uint64: types.uint64,
    type(None): types.none,
}


def signature(function: Callable[..., Any], dtype: str) -> tuple[types.Type, ...]:
    """Return Numba's types of the parameters of a function, from its annotations, for training in `dtype`."""
    hints = get_type_hints(function, include_extras=True)
    hints.pop("return", None)
    return tuple(_type_of(hint, dtype) for hint in hints.values())


def result(function: Callable[..., Any]) -> types.Type:
    """Return Numba's type of what a function returns, from its annotation."""
    return _SCALARS[get_type_hints(function)["return"]]


def _type_of(hint: Any, dtype: str) -> types.Type:
    if get_origin(hint) is Annotated:
        return memory_type(hint, dtype)
    if hint in _SCALARS:
        return _SCALARS[hint]
    fields = get_type_hints(hint, include_extras=True).values()
    return types.NamedTuple([_type_of(field, dtype) for field in fields], hint)


def memory_type(hint: Any, dtype: str) -> types.Type:
    """Return Numba's type of an array, or of a value in no dimension, from its annotation, for training in `dtype`."""
    memory = get_args(hint)[1]
    kind = from_dtype(np.dtype(numpy_name(memory.dtype, dtype)))
    return types.Array(kind, memory.ndim, memory.layout) if memory.ndim else kind


def kinds(function: Callable[..., Any], dtype: str) -> tuple[Kind, ...]:
    """Return the kinds of a function's parameters, named tuples as their fields, for training in `dtype`."""
    return tuple(kind for parameter in signature(function, dtype) for kind in _kinds_of(parameter))


def _kinds_of(kind: types.Type) -> Iterator[Kind]:
    if isinstance(kind, types.BaseNamedTuple):
        for field in kind:
            yield from _kinds_of(field)
    elif isinstance(kind, types.Array):
        yield str(kind.dtype), kind.ndim
    else:
        yield str(kind), 0
