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

from ddp_mlp.data.guard import check_array, check_sizes, follow, plain_errors
from ddp_mlp.errors import DataError, UsageError
from ddp_mlp.training.sealed import open_image

Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Stored:
    """An open sealed file, of which nothing is believed."""

    file: Any
    path: Path

    def attribute(self, name: str, kind: type[Kind]) -> Kind:
        """Return an attribute of the file that is a number or a text."""
        value = self.file.attrs[name]
        return msgspec.convert(value.item() if isinstance(value, np.generic) else value, kind)

    def json(self, name: str) -> Any:
        """Return an attribute that holds JSON."""
        return json.loads(self.attribute(name, str))

    def text(self, name: str) -> str:
        """Return a data set that holds a text."""
        return str(self._find(name).asstr()[()])

    def holds(self, name: str) -> bool:
        """Tell whether there is a data set or group of that name, behind hard links only."""
        return follow(self.file, name, self.path) is not None

    def vector(self, name: str, length: int, dtype: DTypeLike) -> NDArray[Any]:
        """Return a data set as an array of this length and type; others are refused before they are read."""
        data = self._find(name)
        check_array(data, self.path)
        check_sizes([data], self.path)
        if data.shape != (length,) or data.dtype != np.dtype(dtype):
            raise DataError(
                f"{self.path}:/{name}: {data.shape} {data.dtype}, but its configuration says "
                f"({length},) {np.dtype(dtype)}; the file is not what this program writes"
            )
        values: NDArray[Any] = data[:]
        return values

    def _find(self, name: str) -> Any:
        found = follow(self.file, name, self.path)
        if found is None:
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
        with plain_errors(str(path)), open_image(path, follow=follow) as file:
            yield Stored(file, path)
    except UsageError as error:  # of the configuration that is kept in the file
        raise DataError(str(error)) from None
    except (AttributeError, AssertionError, RecursionError, msgspec.MsgspecError) as error:
        raise DataError(f"{path}: its content is not what this program writes ({error})") from error
