"""One place that may hold a split, and the columns of each role there: by name, or by a path that the user gave.

Explicit names (``features = "..."``) are comma-separated paths. Each is an array, ``PATH:FIELD``, a field of a
compound array or column of a frame, or ``PATH[3]`` and ``PATH[3:7]``, columns of either. What is named as targets is
no feature: ``PATH`` means all columns but those. A path is looked up in each split's group first, then in the file; one
that begins with ``/`` only from the root of the file. Several become the columns of a matrix, in the order of the list.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import TYPE_CHECKING

from ddp_mlp.data.hdf5.arrays import Found
from ddp_mlp.data.hdf5.attributes import read_text
from ddp_mlp.data.hdf5.nodes import Group, root
from ddp_mlp.data.layouts.containers import Opener, is_container
from ddp_mlp.data.layouts.names import ALIASES, OWN_NAMES, Role, split_names
from ddp_mlp.data.layouts.paths import Named, parse_path
from ddp_mlp.errors import DataError, listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ddp_mlp.data.layouts.columns import Column

#: In place of a path: samples are not weighted, whatever arrays there are.
NO_WEIGHTS = "none"
_SHOWN_NAMES = 20
#: Names of one group that are looked through.
MOST_NAMES = 10_000


@dataclass(frozen=True)
class SplitColumns:
    """The columns that make up one split; `targets` may be empty where a search does not need them."""

    features: tuple[Column, ...]
    targets: tuple[Column, ...]
    weights: tuple[Column, ...]

    @property
    def all(self) -> tuple[Column, ...]:
        """Columns of every role, features first."""
        return (*self.features, *self.targets, *self.weights)

    def replaced(self, columns: Sequence[Column]) -> SplitColumns:
        """Return others in the place of `all`."""
        n, m = len(self.features), len(self.features) + len(self.targets)
        return SplitColumns(tuple(columns[:n]), tuple(columns[n:m]), tuple(columns[m:]))


@dataclass(frozen=True)
class Place:
    """A group that may hold one split, and whether names of arrays tell the split there."""

    split: str
    group: Group
    is_named: bool = False


@dataclass(frozen=True)
class Lookup:
    """The ways in which the arrays of a role are recognised in a place.

    Attributes
    ----------
    file_path : Path
        For messages.
    explicit : dict
        Names that the user gave, by role.
    own : bool
        True for a file in this program's own layout, which has no aliases.
    needs_targets : bool
        Whether rows without targets are of no use.
    opener : Opener
        Makes columns of what is found; takes note of what is left aside.
    """

    file_path: Path
    explicit: Mapping[Role, str]
    own: bool
    needs_targets: bool = True
    opener: Opener = dataclass_field(default_factory=Opener)

    def split_at(self, place: Place) -> SplitColumns:
        """Return the columns of a place, as far as it has them."""
        targets = self._columns(place, "targets", ())
        features = self._columns(place, "features", targets)
        return SplitColumns(features, targets, self._columns(place, "weights", (*targets, *features)))

    def _columns(self, place: Place, role: Role, taken: tuple[Column, ...]) -> tuple[Column, ...]:
        if self.explicit.get(role) == NO_WEIGHTS and role == "weights":
            return ()
        if role not in self.explicit:
            return tuple(left for column in self._by_alias(place, role) for left in column.without(taken))
        columns: list[Column] = []
        for item in filter(None, (part.strip() for part in self.explicit[role].split(","))):
            found = self._by_path(place, item, role)
            if not found:
                return ()
            columns += [left for column in found for left in column.without(taken)]
        return tuple(columns)

    def _by_alias(self, place: Place, role: Role) -> list[Column]:
        arrays = self.arrays(place, role)
        if len(arrays) > 1:
            raise DataError(
                f"{self.file_path}:{place.group.name}: {' and '.join(arrays)} could each be the {role};"
                f' choose one, as in --{role} {next(iter(arrays))} ([data] {role} = "...")'
            )
        return [column for node in arrays.values() for column in self.opener.columns(node, place.group)]

    def arrays(self, place: Place, role: Role) -> dict[str, Found | Group]:
        """Return the arrays, and groups that stand for one, that have one of the names of a role."""
        aliases = (OWN_NAMES if self.own else ALIASES)[role]
        candidates = split_names(role, place.split) if place.is_named else aliases
        nodes = {name: place.group.follow(name, soft=True) for name in self.present(place.group, candidates)}
        found = {
            name: node
            for name, node in nodes.items()
            if node and (is_container(node) if isinstance(node, Group) else not _is_coordinate(node))
        }
        first = {
            node.name: name for name, node in reversed(found.items())
        }  # one array behind several names is no choice
        return {name: node for name, node in found.items() if first[node.name] == name}

    def present(self, group: Group, candidates: Sequence[str]) -> list[str]:
        """Return those of some names that a group has."""
        names = group.names(MOST_NAMES)
        return list(candidates) if len(names) == MOST_NAMES else [name for name in candidates if name in set(names)]

    def _by_path(self, place: Place, item: str, role: Role) -> list[Column]:
        """Return the columns of one item of a list; none where there is nothing of that name."""
        node, named = self._node(place, item), Named(item)
        if node is None:
            named = parse_path(item)
            node = self._node(place, named.path)
        if node is None:
            return []
        columns = self.opener.columns(node, place.group)
        if role == "features" and any(column.class_names for column in columns):
            raise DataError(
                f"{columns[0].where}: categories, whose codes are no quantities; `ddp-mlp data import` makes a"
                " column of 0 and 1 for each"
            )
        try:
            return _chosen(columns, named)
        except DataError:
            if role == "targets" and not self.needs_targets:  # rows to be answered may lack them
                return []
            raise

    def _node(self, place: Place, path: str) -> Found | Group | None:
        return (root(place.group.file) if path.startswith("/") else place.group).follow(path, soft=True)


def _chosen(columns: list[Column], named: Named) -> list[Column]:
    """Return the field and the columns that were named, of all that an array or frame has."""
    if named.field is not None:
        fields = {column.field or (column.names or ("",))[0]: column for column in columns}
        where = columns[0].array.found.where
        if named.field not in fields:
            known = [field for field in fields if field]
            allowed = f"its fields are {listed(known, _SHOWN_NAMES)}" if known else "it has no fields"
            raise DataError(f"{where}: no field {named.field!r}, {allowed}; write PATH or PATH:FIELD")
        columns = [fields[named.field]]
    if len(columns) != 1:
        if named.part(len(columns), columns[0].array.found.where) is not None:
            first, stop = named.part(len(columns), columns[0].array.found.where) or (0, 0)
            return columns[first:stop]
        return columns
    part = named.part(columns[0].width, columns[0].where)
    return columns if part is None else [columns[0].taking(*part)]


def _is_coordinate(array: Found) -> bool:
    """Tell whether an array is the places along a dimension of others, as ``x`` and ``y`` of NetCDF are."""
    return read_text(array, "CLASS") == "DIMENSION_SCALE"
