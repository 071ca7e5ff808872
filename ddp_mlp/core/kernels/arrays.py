"""Memory layouts of the arrays that Python hands to kernels: machine code is compiled for these types alone.

The types stand in annotations, of the fields of `Arena` and of the parameters of entry points.
An array that lies in another way, say because a part of it is empty, must be laid out anew
where it is allocated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_type_hints

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.catalog.dtypes import DTYPES

#: The dtype of the factors of products, see `catalog.dtypes`.
FACTORS = "factors"


@dataclass(frozen=True)
class Memory:
    """How an array lies in memory, writable and aligned.

    Attributes
    ----------
    dtype : str
        Empty for that in which training holds numbers, `FACTORS` for that of the factors of its products.
    ndim : int
    layout : str
        As Numba says it: "C" for contiguous rows, "A" for rows with gaps between them.
    """

    dtype: str
    ndim: int
    layout: str = "C"

    def __str__(self) -> str:
        return f"{self.dtype} in {self.ndim} dimensions ({self.layout})"


Bytes2 = Annotated[NDArray[np.uint8], Memory("uint8", 2)]
Words1 = Annotated[NDArray[np.uint64], Memory("uint64", 1)]
Integers1 = Annotated[NDArray[np.int64], Memory("int64", 1)]
Integers2 = Annotated[NDArray[np.int64], Memory("int64", 2)]
Doubles1 = Annotated[NDArray[np.float64], Memory("float64", 1)]
Doubles2 = Annotated[NDArray[np.float64], Memory("float64", 2)]
Tails2 = Annotated[NDArray[np.float64], Memory("float64", 2, "A")]
#: Empty, an example for kernels, which products depend on.
Factors1 = Annotated[NDArray[Any], Memory(FACTORS, 1)]
#: Of the dtype of training.
Floats1 = Annotated[NDArray[np.floating], Memory("", 1)]
Floats2 = Annotated[NDArray[np.floating], Memory("", 2)]
Floats3 = Annotated[NDArray[np.floating], Memory("", 3)]

Float = Annotated[np.floating, Memory("", 0)]


def numpy_name(dtype: str, training: str) -> str:
    """Return NumPy's name of the dtype of an annotation, for a dtype of training."""
    return {"": DTYPES[training].held, FACTORS: DTYPES[training].factors}.get(dtype, dtype)


def check_memory(arrays: Any, dtype: str) -> None:
    """Compare the fields of a named tuple of arrays with their annotations, where training is in `dtype`.

    Numba would refuse most of what does not fit, in pages of types; it does not see the order of bytes.

    Raises
    ------
    TypeError
        If kernels are not compiled for it; the message names each array that is to blame.
    """
    hints = get_type_hints(type(arrays), include_extras=True)
    found = {name: (_describe(array), get_args(hints[name])[1]) for name, array in arrays._asdict().items()}
    wrong = [
        f"{name} is {memory}, not {wanted}" for name, (memory, kind) in found.items()
        if memory != (wanted := Memory(numpy_name(kind.dtype, dtype), kind.ndim, kind.layout))
    ]  # fmt: skip
    if wrong:
        raise TypeError(f"kernels are not compiled for this memory: {'; '.join(wrong)}")


def _describe(array: NDArray[Any]) -> Memory:
    flags = array.flags
    layout = "C" if flags.c_contiguous else "F" if flags.f_contiguous else "A"
    hindrance = "" if flags.writeable else ", read-only"
    hindrance += "" if flags.aligned else ", not aligned"
    return Memory(str(array.dtype), array.ndim, layout + hindrance)


def write_table(arrays: Any) -> NDArray[np.int64]:
    """Return the table through which kernels see a named tuple of arrays, see `pointed`; these must outlive it."""
    rows = [(array.__array_interface__["data"][0], *array.shape, *array.strides) for array in arrays]
    return np.array([word for row in rows for word in row], np.int64)
