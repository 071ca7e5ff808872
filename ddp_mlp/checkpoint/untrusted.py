"""Reading sealed files that a stranger may have made: their hash proves that they are whole, not that they are ours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import DTypeLike, NDArray

from ddp_mlp.checkpoint.sealed_hdf5 import open_image
from ddp_mlp.data.hdf5.arrays import Found
from ddp_mlp.data.hdf5.attributes import read_single
from ddp_mlp.data.hdf5.guard import plain_errors
from ddp_mlp.data.hdf5.memory_limit import MemoryLimit, limited_memory
from ddp_mlp.data.hdf5.nodes import Group, root
from ddp_mlp.data.hdf5.watched import most_bytes
from ddp_mlp.errors import DataError, UsageError

Kind = TypeVar("Kind")

# A row of the history has more than four columns.
_CHARACTERS_PER_BRACKET = 40
# The shortest values of one are null.
_CHARACTERS_PER_COMMA = 4
_TIMES_ITS_TEXT = 32
_LONGEST_WORD = 1000


@dataclass(frozen=True)
class Stored:
    """An open sealed file, of which nothing is believed."""

    root: Group
    path: Path
    limit: MemoryLimit

    def attribute(self, name: str, kind: type[Kind]) -> Kind:
        """Return an attribute of the file that is a number or a text."""
        value = read_single(self.root, name)
        if value is None:
            raise DataError(f"{self.path}: attribute {name} is missing; the file is not what this program writes")
        return msgspec.convert(value.decode() if isinstance(value, bytes) else value, kind)

    def has_attribute(self, name: str) -> bool:
        """Tell whether the file has an attribute of that name."""
        return read_single(self.root, name) is not None

    def word(self, name: str) -> str:
        """Return an attribute that is a short text."""
        text = self.attribute(name, str)
        if len(text) > _LONGEST_WORD:
            raise DataError(f"{self.path}: attribute {name} has {len(text)} characters; not what this program writes")
        return text

    def json(self, name: str) -> Any:
        """Return the value of an attribute of JSON."""
        return self._parsed(self.attribute(name, str))

    def long_json(self, name: str) -> Any:
        """Return the value of a data set of JSON."""
        return self._parsed(self._find(name).text())

    def _parsed(self, text: str) -> Any:
        """Parse JSON.

        A list of lists without anything in them takes twenty times the memory of its text, a list of digits eight
        times while it grows, which the bound for the file ends. What has few brackets and commas for its length takes
        less; it may be a history of many epochs.
        """
        has_few_brackets = (text.count("[") + text.count("{")) * _CHARACTERS_PER_BRACKET < len(text)
        if has_few_brackets and text.count(",") * _CHARACTERS_PER_COMMA < len(text):
            self.limit.allow(_TIMES_ITS_TEXT * len(text))
        return json.loads(text)

    def holds(self, name: str) -> bool:
        """Tell whether there is a data set or group of that name, behind hard links only."""
        return self.root.follow(name) is not None

    def vector(self, name: str, length: int, dtype: DTypeLike) -> NDArray[Any]:
        """Return a data set as an array of this length and type; others are refused before they are read."""
        found = self._find(name)
        array = found.accept()
        if array.shape != (length,) or found.type_name != np.dtype(dtype).name:
            raise DataError(
                f"{self.path}:/{name}: {array.shape} {found.type_name}, but its configuration says "
                f"({length},) {np.dtype(dtype)}; the file is not what this program writes"
            )
        return array.read(0, length)

    def _find(self, name: str) -> Found:
        found = self.root.follow(name)
        if not isinstance(found, Found):
            raise DataError(f"{self.path}: /{name} is missing; the file is not what this program writes")
        return found


@contextmanager
def reading(path: Path, *, follow: bool = False) -> Iterator[Stored]:
    """Verify and open a sealed file, with `follow` behind links too. What goes wrong in the block is the file's fault.

    Raises
    ------
    MissingInputError
        If it is not there.
    DataError
        If it is damaged, or does not hold what it should.
    """
    try:
        with (
            plain_errors(str(path)),
            limited_memory(most_bytes(_size(path))) as limit,
            open_image(path, follow=follow) as file,
        ):
            yield Stored(root(file), path, limit)
    except UsageError as error:  # of the configuration that is kept in the file
        raise DataError(str(error)) from None
    except (AttributeError, AssertionError, RecursionError, msgspec.MsgspecError) as error:
        raise DataError(f"{path}: its content is not what this program writes ({error})") from error


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # as will be said when it is opened
        return 0
