"""The schema of a data set: of a new one from the arrays and attributes of its file, else the one that is wanted."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from ddp_mlp.data.dataset.matrices import (
    SplitMatrices,
    convenience,
    image_shape_of,
    matrices_of,
    require_same_images,
    require_same_widths,
    where_of,
)
from ddp_mlp.data.dataset.meaning import Carried, Structure, Wanted, bound_structure, new_structure
from ddp_mlp.data.hdf5.arrays import check_sizes
from ddp_mlp.data.hdf5.attributes import read_int, read_text
from ddp_mlp.data.layouts.containers import Opener
from ddp_mlp.data.layouts.names import Role
from ddp_mlp.data.layouts.orientation import turned
from ddp_mlp.data.layouts.places import Lookup, SplitColumns
from ddp_mlp.data.layouts.search import Search
from ddp_mlp.data.rows import require_task
from ddp_mlp.data.schema import ClassKind, schema_from_builtins
from ddp_mlp.errors import DataError, printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ddp_mlp.data.hdf5.nodes import Group

FORMAT = "ddp-mlp-dataset"
FORMAT_VERSION = 1
#: Of the attribute ``schema``: a table of a hundred thousand columns.
MOST_SCHEMA_BYTES = 64 * 2**20
_ANY_VERSION = 10**6


def read_structure(path: Path, base: Group, explicit: Mapping[Role, str], wanted: Wanted) -> Structure:
    """Find the arrays of a data set and check that they fit together.

    Raises
    ------
    DataError
        If arrays are missing, refused, empty or of unequal length, the task is unclear, or the file does not fit the
        schema that is wanted.
    """
    own = _is_own(path, base) and not explicit.keys() & {"features", "targets"}
    opener = Opener(own)
    lookup = Lookup(path, explicit, own, wanted.targets == "needed", opener)
    found = Search(base, lookup, needs_train=wanted.schema is None).find()
    check_sizes({c.array.name: c.array.found for s in found.values() for c in s.all}.values())
    found, notes = (found, ()) if own else _turned(found, wanted)
    notes = (*dict.fromkeys(opener.notes), *notes, *_decoding_notes(found))
    splits = {name: matrices_of(name, split, own=own) for name, split in found.items()}
    shapes = {name: image_shape_of(split.features, own=own) for name, split in found.items()}
    _require_same_images(splits, shapes, wanted)
    source = printable(convenience(partial(read_text, base, "source"), own=own) or "")
    if wanted.schema is not None:
        return bound_structure(str(path), splits, wanted, source, notes)
    require_same_widths(splits)
    text = read_text(base, "task") if splits["train"].targets else None
    stated = wanted.task or (None if text is None else require_task(text, str(path)))
    carried = _carried(base, found["train"]) if own else Carried(class_kind=_kind_of_classes(found["train"]))
    carried = replace(carried, image_shape=shapes["train"])
    return new_structure(str(path), splits, stated, carried, source, notes)


def _require_same_images(
    splits: Mapping[str, SplitMatrices], shapes: Mapping[str, tuple[int, ...] | None], wanted: Wanted
) -> None:
    known = wanted.schema.image_shape if wanted.schema is not None else shapes["train"]
    for name, shape in shapes.items():
        require_same_images(where_of(splits[name].features), shape, known, "those that trained")


def _turned(found: Mapping[str, SplitColumns], wanted: Wanted) -> tuple[dict[str, SplitColumns], tuple[str, ...]]:
    """Return the columns of each split with rows along the dimension that was meant, and what to say of it."""
    n_features = wanted.schema.n_features if wanted.schema else None
    each = {name: turned(split.all, n_features) for name, split in found.items()}
    notes = tuple(note for turn in each.values() for note in turn.notes)
    return {name: found[name].replaced(turn.columns) for name, turn in each.items()}, notes


def _decoding_notes(found: Mapping[str, SplitColumns]) -> tuple[str, ...]:
    """Say which arrays hold other quantities than the numbers in them."""
    named: dict[str, list[str]] = {}
    for column in (column for split in found.values() for column in split.all):
        if column.decoding is not None:
            named.setdefault(column.decoding.words, []).append(column.where)
    return tuple(
        f"{where[0]}{f' and {len(where) - 1} more' if where[1:] else ''}: {words}" for words, where in named.items()
    )


def _kind_of_classes(train: SplitColumns) -> ClassKind:
    """Return "text" where the container of the targets names their classes, as a categorical does."""
    return "text" if any(column.class_names for column in train.targets) else ""


def _carried(base: Group, train: SplitColumns) -> Carried:
    """Return the parts of the schema that a data set of this program carries in its attribute ``schema``."""
    text = read_text(base, "schema", MOST_SCHEMA_BYTES)
    if text is None:
        return Carried(class_kind=_kind_of_classes(train))
    try:
        schema = schema_from_builtins(msgspec.json.decode(text))
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError):
        raise DataError(
            f"{base.where}: attribute schema is not one of this program; write the data set again"
        ) from None
    return Carried.of(schema, None)


def _is_own(path: Path, base: Group) -> bool:
    """Tell whether the group is in this program's layout, and refuse newer versions of it."""
    if convenience(partial(read_text, base, "format"), own=False) != FORMAT:
        return False
    version = read_int(base, "format_version", 1, _ANY_VERSION)
    if version is None or version > FORMAT_VERSION:
        raise DataError(
            f"{path}: format_version is {version}, this program reads up to {FORMAT_VERSION}; update it or"
            " write the file again"
        )
    return True
