"""How the arrays lie that Python hands to kernels: machine code is compiled for these types, and there is no other.

The types stand in annotations, of the fields of `Arena` and of the parameters of entry points.
An array that lies in another way, say because a part of it is empty, must be laid out anew
where it is allocated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import numpy as np
from numba import from_dtype, typeof, types
from numpy.typing import NDArray


@dataclass(frozen=True)
class Memory:
    """How an array lies in memory; always writable and aligned.

    Attributes
    ----------
    dtype : str
        Empty for that of training.
    ndim : int
    layout : str
        As Numba says it: "C" for contiguous rows, "A" for rows with gaps between them.
    """

    dtype: str
    ndim: int
    layout: str = "C"


Bytes2 = Annotated[NDArray[np.uint8], Memory("uint8", 2)]
Words1 = Annotated[NDArray[np.uint64], Memory("uint64", 1)]
Integers1 = Annotated[NDArray[np.int64], Memory("int64", 1)]
Integers2 = Annotated[NDArray[np.int64], Memory("int64", 2)]
Doubles1 = Annotated[NDArray[np.float64], Memory("float64", 1)]
Doubles2 = Annotated[NDArray[np.float64], Memory("float64", 2)]
Tails2 = Annotated[NDArray[np.float64], Memory("float64", 2, "A")]
#: Of the dtype of training.
Floats1 = Annotated[NDArray[np.floating], Memory("", 1)]
Floats2 = Annotated[NDArray[np.floating], Memory("", 2)]
Floats3 = Annotated[NDArray[np.floating], Memory("", 3)]

_SCALARS = {int: types.int64, float: types.float64, np.uint64: types.uint64}


def signature(function: Callable[..., Any], dtype: str) -> tuple[types.Type, ...]:
    """Return Numba's types of the parameters of a function, from its annotations, for training in `dtype`."""
    hints = get_type_hints(function, include_extras=True)
    hints.pop("return", None)
    return tuple(_type_of(hint, dtype) for hint in hints.values())


def _type_of(hint: Any, dtype: str) -> types.Type:
    if get_origin(hint) is Annotated:
        memory = get_args(hint)[1]
        return types.Array(from_dtype(np.dtype(memory.dtype or dtype)), memory.ndim, memory.layout)
    if hint in _SCALARS:
        return _SCALARS[hint]
    fields = get_type_hints(hint, include_extras=True).values()
    return types.NamedTuple([_type_of(field, dtype) for field in fields], hint)


def check_types(arrays: Any, dtype: str) -> None:
    """Compare a named tuple of arrays with its annotations, where training is in `dtype`.

    Raises
    ------
    TypeError
        If a kernel would have to be compiled for it; the message names each array that is to blame.
    """
    wanted = _type_of(type(arrays), dtype)
    wrong = [
        f"{name} is {typeof(value)} instead of {kind}"
        for name, value, kind in zip(arrays._fields, arrays, wanted.types, strict=True)
        if typeof(value) != kind
    ]
    if wrong:
        raise TypeError(f"kernels are not compiled for this memory: {'; '.join(wrong)}")
