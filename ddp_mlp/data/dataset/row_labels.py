"""A column of a data set that says something of each row, such as its group or its time."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ddp_mlp.data.hdf5.arrays import Found
from ddp_mlp.data.hdf5.nodes import Group, root
from ddp_mlp.data.hdf5.texts import read_texts
from ddp_mlp.data.layouts.names import SPLITS, split_groups
from ddp_mlp.errors import DataError, listed, nearest, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from ddp_mlp.data.dataset.dataset import DatasetFile
    from ddp_mlp.data.dataset.split import Split

#: Group of a data set of this program that holds columns which are no features.
BESIDE = "ids"
_BLOCK_ROWS, _MOST_ROWS, _MOST_KEPT = 8192, 2**31, 100
_SHOWN = 8
_ISO = re.compile(r"\d{4}-\d\d(-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?)?)?Z?")


@dataclass(frozen=True, eq=False)
class RowLabels:
    """The column, as numbers that say which rows have the same value, and the order of values.

    Attributes
    ----------
    where : str
        Of the column, for messages.
    codes : ndarray of int64, shape (n,)
        Place of each value among all different ones, from 0.
    is_feature : bool
        Whether networks learn from it too.
    is_ordered : bool
        Whether the order of the codes is one of numbers, or of dates as ISO 8601 writes them.
    sha256 : str
        Of its content; empty for features, which are hashed with the others.
    """

    where: str
    codes: NDArray[np.int64]
    is_feature: bool
    is_ordered: bool
    sha256: str = ""

    @property
    def n_values(self) -> int:
        """Number of different values."""
        return int(self.codes.max()) + 1


def row_labels(file: DatasetFile, split: Split, name: str, *, as_times: bool = False) -> RowLabels:
    """Return a column of a split: an array beside the features, or some of these by the name of their column.

    Parameters
    ----------
    file : DatasetFile
    split : Split
        One of its.
    name : str
        A column that was kept by ``data import --id``; an array of one value for each row, in the group of the split
        or where its path leads, ``PATH:FIELD`` of an array of records; or a feature.
    as_times : bool
        Whether texts that are numbers count as these.

    Raises
    ------
    DataError
        If there is none, or rows lack a value.
    """
    if (found := _array(file, split, name)) is not None:
        return _of_array(found, None, as_times=as_times)
    path, _, field = name.rpartition(":")
    if path and (found := _array(file, split, path)) is not None:
        return _of_array(found, field, as_times=as_times)
    features = _features(file, name)
    if not features:
        raise DataError(_missing(file, split, name))
    values = np.concatenate([rows[:, features] for rows in _blocks(split)])
    where = f"{split.where}, column {printable(name)}"
    if (bad := np.flatnonzero(~np.isfinite(values).all(axis=1))).size:
        raise DataError(f"{where}: row {bad[0]} has no value, and {len(bad)} in all; each row needs one")
    _, codes = np.unique(values, axis=0, return_inverse=True)
    return RowLabels(where, codes.reshape(-1).astype(np.int64), is_feature=True, is_ordered=len(features) == 1)


def kept_texts(file: DatasetFile, split: Split, more: Sequence[str] = ()) -> dict[str, tuple[str, ...]]:
    """Return the columns that a data set of this program keeps beside the features of a split, by name.

    Parameters
    ----------
    more : sequence of str
        Names of other arrays, where there are such.
    """
    base = file.base()
    group = base.follow(f"{split.name}/{BESIDE}") if base else None
    kept = group.names(_MOST_KEPT) if isinstance(group, Group) else []
    found = {name: _array(file, split, name) for name in dict.fromkeys([*kept, *more])}
    plain = {name: array for name, array in found.items() if array is not None and len(array.shape or ()) == 1}
    return {
        name: read_texts(array, _MOST_ROWS)
        for name, array in plain.items()
        if array.type_name == "strings" or not array.accept().fields
    }


def array_name(column: str) -> str:
    """Return the name of the array in `BESIDE` that keeps a column."""
    return column.replace("/", "_").lstrip(".") or "_"


def _blocks(split: Split) -> Iterator[NDArray[np.float64]]:
    allowing = split.allowing_missing()
    for start in range(0, split.n_samples, _BLOCK_ROWS):
        yield np.asarray(allowing.read(start, min(start + _BLOCK_ROWS, split.n_samples)).features, np.float64)


def _features(file: DatasetFile, name: str) -> list[int]:
    """Return the places of the features that a column has made, or of the one that is called so."""
    names = file.schema.feature_names or ()
    made = next((column.features for column in file.schema.columns if column.name == name), (name,))
    return [place for place, feature in enumerate(names) if feature in made]


def _array(file: DatasetFile, split: Split, name: str) -> Found | None:
    """Return the first array of the name that has a value for each row of the split."""
    base = file.base()
    if base is None:
        return None
    bare = array_name(name)
    inside = [path for group in split_groups(split.name) for path in (f"{group}/{BESIDE}/{bare}", f"{group}/{name}")]
    beside = [text for word in SPLITS[split.name] for text in (f"{name}_{word}", f"{word}_{name}")]
    paths = [name] if name.startswith("/") else [*inside, *beside, *([name] if split.name == "train" else [])]
    for path in paths:
        node = (root(base.file) if path.startswith("/") else base).follow(path, soft=True)
        if isinstance(node, Found) and node.shape in ((split.n_samples,), (split.n_samples, 1)):
            return node
    return None


def _of_array(found: Found, field: str | None, *, as_times: bool) -> RowLabels:
    values: NDArray[Any]
    if found.type_name == "strings" and field is None:
        values = np.char.strip(np.array(read_texts(found, _MOST_ROWS)))
        lacking, ordered = values == "", _are_dates(values.tolist())
        if as_times and not ordered and (numbers := _numbers(values)) is not None:
            values, ordered = numbers, True
    else:
        values = _stored(found, field)
        lacking, ordered = ~np.isfinite(values.astype(np.float64)), True
    if lacking.any():
        first, n = int(lacking.argmax()), int(lacking.sum())
        raise DataError(f"{found.where}: row {first} has no value, and {n} in all; each row needs one")
    different, codes = np.unique(values, return_inverse=True)
    digest = hashlib.sha256("\n".join(map(str, different.tolist())).encode("utf-8", "surrogateescape"))
    digest.update(np.ascontiguousarray(codes, "<i8").tobytes())
    codes = codes.reshape(-1).astype(np.int64)
    return RowLabels(found.where, codes, is_feature=False, is_ordered=ordered, sha256=digest.hexdigest())


def _stored(found: Found, field: str | None) -> NDArray[Any]:
    """Return the numbers of an array, or of a field of its records."""
    array = found.accept()
    if field not in (array.fields or (None,)):
        fields = (
            f"its fields are {listed(array.fields, _SHOWN)}; name one as PATH:FIELD" if array.fields else "no records"
        )
        raise DataError(f"{found.where}: {fields}")
    values = np.asarray(array.read(0, array.shape[0], field))
    if values.size != array.shape[0]:
        raise DataError(f"{found.where}: several numbers in each row; one is needed")
    return values.reshape(-1)


def _are_dates(texts: list[str]) -> bool:
    """Tell whether texts are dates whose order is that of their letters."""
    forms = {(len(text), text[10:11], text[-1:] == "Z") for text in texts}
    return len(forms) == 1 and all(map(_ISO.fullmatch, texts))


def _numbers(texts: NDArray[Any]) -> NDArray[np.float64] | None:
    try:
        numbers = texts.astype(np.float64)
    except ValueError:
        return None
    return numbers if np.isfinite(numbers).all() else None


def _missing(file: DatasetFile, split: Split, name: str) -> str:
    known = [column.name for column in file.schema.columns] or [*(file.schema.feature_names or ())]
    base = file.base()
    kept = base.follow(f"{split.name}/{BESIDE}") if base else None
    known = [*(kept.names(_SHOWN + 1) if isinstance(kept, Group) else ()), *known]
    close = nearest(name, known)
    names = f"its columns are {listed(known, _SHOWN)}" if known else "its columns have no names"
    hint = f"did you mean {printable(close)!r}?" if close else names
    return (
        f"{file.path}: no column {printable(name)!r:.80} with a value for each of the {split.n_samples} rows that"
        f" train; {hint}; data import --id COL keeps a column that is no feature"
    )
