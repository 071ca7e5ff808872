"""The kernels that Python calls, by the addresses of their machine code.

Numba compiles them and is not needed to call them: importing it takes longer than all else of a start. A kernel takes
the address of words, eight bytes each: for a number one, for an array those of `_words_of`, for a named tuple those of
its fields, one after the other.
"""

from __future__ import annotations

import ctypes
import operator
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

#: What a kernel takes: the dtype and number of dimensions of an array; of a number the dtype and 0.
Kind = tuple[str, int]


class _Code(NamedTuple):
    """Machine code for values of some kinds."""

    name: str
    function: Any
    layout: struct.Struct  # of the words
    places: tuple[tuple[struct.Struct, int], ...]  # of the words of each value, and the byte where they begin
    engine: Any  # of LLVM, with which the code would go


class Call:
    """A kernel with all that it takes, to be called many times; values can be replaced by others of their kind."""

    def __init__(self, code: _Code, kinds: Sequence[Any], values: list[Any], words: list[Any]) -> None:
        self._name, self._function, self._places, self._kinds = code.name, code.function, code.places, kinds
        self._values = values  # memory that nobody else may hold
        try:
            self._words = bytearray(code.layout.pack(*words))
        except struct.error as error:
            raise TypeError(f"a number is not of the kind that machine code is for: {error}") from None
        self._address = ctypes.addressof(ctypes.c_char.from_buffer(self._words))

    def replace(self, place: int, value: np.ndarray[Any, Any]) -> None:
        """Replace the array at a place, counted over numbers and arrays, those in named tuples too."""
        if (value.dtype, value.ndim) != self._kinds[place] or not value.flags.carray:
            raise TypeError(f"there is no machine code for {value.dtype} in {value.ndim} dimensions at place {place}")
        self._values[place] = value
        layout, at = self._places[place]
        layout.pack_into(self._words, at, *_words_of(value))

    def replace_number(self, place: int, value: int) -> None:
        """Replace a whole number, likewise."""
        layout, at = self._places[place]
        layout.pack_into(self._words, at, value)

    def __call__(self) -> None:
        """Run the kernel, without Python's lock."""
        status = self._function(self._address)
        if status:
            raise RuntimeError(f"the kernel {self._name} has failed (status {status})")


class EntryPoint:
    """A kernel with machine code for the types of its annotations, for each dtype of training that was loaded.

    A call never compiles: what does not fit the types is a TypeError.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._codes: dict[tuple[Any, ...], _Code] = {}
        self._dtypes: set[str] = set()

    def is_ready(self, dtype: str) -> bool:
        """Tell whether there is machine code for training in `dtype`."""
        return dtype in self._dtypes

    def load(self, dtype: str, kinds: Sequence[Kind], address: int, engine: Any) -> None:
        """Take machine code for training in `dtype`, which lives as long as its `engine`."""
        formats = [f"{5 + 2 * ndim}q" if ndim else _FORMATS[name] for name, ndim in kinds]
        starts = [struct.calcsize("=" + "".join(formats[:place])) for place in range(len(formats))]
        places = tuple((struct.Struct("=" + each), at) for each, at in zip(formats, starts, strict=True))
        found = tuple((np.dtype(name), ndim) if ndim else None for name, ndim in kinds)
        function = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(address)
        self._codes.setdefault(found, _Code(self.name, function, struct.Struct("=" + "".join(formats)), places, engine))
        self._dtypes.add(dtype)

    def on(self, *arguments: Any) -> Call:
        """Return the call of the kernel on some arguments.

        Raises
        ------
        TypeError
            If there is no machine code for values of these types, which lie in memory in this way.
        """
        words: list[Any] = []
        kinds: list[Any] = []
        values: list[Any] = []
        _lay_out(arguments, words, kinds, values)
        code = self._codes.get(tuple(kinds))
        if code is None:
            found = ", ".join("a number" if kind is None else f"{kind[0]} in {kind[1]} dimensions" for kind in kinds)
            raise TypeError(f"there is no machine code of {self.name} for {found or 'nothing'}")
        return Call(code, kinds, values, words)

    def __call__(self, *arguments: Any) -> None:
        """Run the kernel on some arguments, see `on`."""
        self.on(*arguments)()


#: Of the word of a number, as `struct` says it.
_FORMATS = {"int64": "q", "uint64": "Q", "float64": "d"}


def _lay_out(given: Sequence[Any], words: list[Any], kinds: list[Any], values: list[Any]) -> None:
    """Append the words of what is given, what it is, and itself."""
    for value in given:
        if isinstance(value, np.ndarray):
            if not value.flags.carray:
                raise TypeError("an array is read-only, not aligned, or has gaps, for which there is no machine code")
            kinds.append((value.dtype, value.ndim))
            values.append(value)
            words += _words_of(value)
        elif isinstance(value, tuple):
            _lay_out(value, words, kinds, values)
        else:
            kinds.append(None)
            values.append(value)
            words.append(value if isinstance(value, float) else operator.index(value))


def _words_of(array: np.ndarray[Any, Any]) -> tuple[int, ...]:
    """Return Numba's words of an array: two for an owner, who is not counted here, sizes, address, shape, strides."""
    return 0, 0, array.size, array.itemsize, array.__array_interface__["data"][0], *array.shape, *array.strides


evaluate_blocks = EntryPoint("evaluate_blocks")
predict_blocks = EntryPoint("predict_blocks")
shuffle = EntryPoint("shuffle")
work = EntryPoint("work")

ENTRY_POINTS = {entry.name: entry for entry in (evaluate_blocks, predict_blocks, shuffle, work)}
