"""Where features and targets are in a file that someone else wrote.

Tried in this order, the first that yields a training split counts:

1. a group per split: ``/train/x``, ``/train/y``, ``/test/x`` ...;
2. the split in the name: ``x_train``, ``y_train``, ``train_images`` ...;
3. neither: ``x``, ``y``, all rows are the training split.

Explicit names (``features = "..."``) are comma-separated paths. Each is an array, ``PATH:FIELD``, a field of a
compound array or column of a frame, or ``PATH[3]`` and ``PATH[3:7]``, columns of either. What is named as targets is
no feature: ``PATH`` means all columns but those. A path is looked up in each split's group first, then in the file; one
that begins with ``/`` only from the root of the file. Several become the columns of a matrix, in the order of the list.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import TYPE_CHECKING

from ddp_mlp.data.dataset.containers import Opener, is_container
from ddp_mlp.data.dataset.names import (
    ALIASES,
    OWN_NAMES,
    SPLITS,
    Role,
    look_like_rows,
    look_like_weights,
    split_groups,
    split_names,
)
from ddp_mlp.data.dataset.paths import Named, parse_path
from ddp_mlp.data.hdf5.arrays import Found
from ddp_mlp.data.hdf5.nodes import Group, root
from ddp_mlp.data.hdf5.tree import list_tree, tree_lines
from ddp_mlp.errors import DataError, listed, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from ddp_mlp.data.dataset.columns import Column

#: In place of a path: samples are not weighted, whatever arrays there are.
NO_WEIGHTS = "none"
_SHOWN_NAMES = 20
#: Names of one group that are looked through.
_MOST_NAMES = 10_000


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
class _Place:
    """A group that may hold one split, and whether names of arrays tell the split there."""

    split: str
    group: Group
    is_named: bool = False


@dataclass(frozen=True)
class Search:
    """One search for the arrays of a data set.

    Attributes
    ----------
    file_path : Path
        For messages.
    base : Group
        Where to look.
    explicit : dict
        Names that the user gave, by role.
    own : bool
        True for a file in this program's own layout, which has no aliases.
    needs_targets, needs_train : bool
        Whether a split without targets, and a file without a training split, is of use.
    opener : Opener
        Makes columns of what is found; takes note of what is left aside.
    """

    file_path: Path
    base: Group
    explicit: Mapping[Role, str]
    own: bool
    needs_targets: bool = True
    needs_train: bool = True
    opener: Opener = dataclass_field(default_factory=Opener)

    def find(self) -> dict[str, SplitColumns]:
        """Return the columns of each split; there is always a "train" where that is needed.

        Raises
        ------
        DataError
            If nothing is found, a name is ambiguous, or a link or array is refused.
        """
        styles = [self._group_places()] if self.own else self._styles()
        for places in styles:
            found = {place.split: self._split_at(place) for place in places}
            if not self.own and "train" not in found and any(map(self._is_complete, found.values())):
                # Arrays that name no split, beside some that do: these are the rows to train on.
                bare = self._split_at(_Place("train", self.base))
                found = {"train": bare, **found} if bare.features else found
            complete = {name: columns for name, columns in found.items() if self._is_complete(columns)}
            if "train" in complete or (complete and not self.needs_train):
                self._refuse_halves(found)
                self._require_weights(complete)
                self._tell_unused(complete)
                return complete
        raise DataError(self._not_found())

    def _is_complete(self, columns: SplitColumns) -> bool:
        return bool(columns.features) and bool(columns.targets or not self.needs_targets)

    def _require_weights(self, found: Mapping[str, SplitColumns]) -> None:
        wanted = self.explicit.get("weights", NO_WEIGHTS)
        if wanted != NO_WEIGHTS and "train" in found and not found["train"].weights:
            raise DataError(
                f"{self.file_path}: no array {wanted!r} for the sample weights; `ddp-mlp data inspect` lists its"
                ' arrays ([data] weights = "PATH" or "none")'
            )

    def _styles(self) -> Iterator[list[_Place]]:
        # A path from the root names one array; looked up in every group it would be each split.
        if not any(item.strip().startswith("/") for text in self.explicit.values() for item in text.split(",")):
            yield self._group_places()
        if not self.explicit.keys() & {"features", "targets"}:
            yield self._suffix_places()
        yield [_Place("train", self.base)]

    def _group_places(self) -> list[_Place]:
        places = []
        for split in SPLITS:
            for name in self._present(self.base, (split,) if self.own else split_groups(split)):
                node = self.base.follow(name, soft=True)
                if isinstance(node, Group):
                    places.append(_Place(split, node))
                    break
        return places

    def _suffix_places(self) -> list[_Place]:
        places = [_Place(split, self.base, is_named=True) for split in SPLITS]
        return [place for place in places if self._arrays(place, "features") or self._arrays(place, "targets")]

    def _split_at(self, place: _Place) -> SplitColumns:
        targets = self._columns(place, "targets", ())
        features = self._columns(place, "features", targets)
        return SplitColumns(features, targets, self._columns(place, "weights", (*targets, *features)))

    def _columns(self, place: _Place, role: Role, taken: tuple[Column, ...]) -> tuple[Column, ...]:
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

    def _by_alias(self, place: _Place, role: Role) -> list[Column]:
        arrays = self._arrays(place, role)
        if len(arrays) > 1:
            raise DataError(
                f"{self.file_path}:{place.group.name}: {' and '.join(arrays)} could each be the {role};"
                f' choose one, as in --{role} {next(iter(arrays))} ([data] {role} = "...")'
            )
        return [column for node in arrays.values() for column in self.opener.columns(node, place.group)]

    def _arrays(self, place: _Place, role: Role) -> dict[str, Found | Group]:
        """Return the arrays, and groups that stand for one, that have one of the names of a role."""
        aliases = (OWN_NAMES if self.own else ALIASES)[role]
        candidates = split_names(role, place.split) if place.is_named else aliases
        nodes = {name: place.group.follow(name, soft=True) for name in self._present(place.group, candidates)}
        found = {n: node for n, node in nodes.items() if isinstance(node, Found) or (node and is_container(node))}
        first = {
            node.name: name for name, node in reversed(found.items())
        }  # one array behind several names is no choice
        return {name: node for name, node in found.items() if first[node.name] == name}

    def _present(self, group: Group, candidates: Sequence[str]) -> list[str]:
        """Return those of some names that a group has."""
        names = group.names(_MOST_NAMES)
        return list(candidates) if len(names) == _MOST_NAMES else [name for name in candidates if name in set(names)]

    def _by_path(self, place: _Place, item: str, role: Role) -> list[Column]:
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

    def _node(self, place: _Place, path: str) -> Found | Group | None:
        return (root(place.group.file) if path.startswith("/") else place.group).follow(path, soft=True)

    def _tell_unused(self, found: Mapping[str, SplitColumns]) -> None:
        """Tell of arrays that a reader of the file would expect to count, and that do not."""
        if self.own:
            return
        used = {c.array.name for columns in found.values() for c in columns.all}
        arrays = [n for n in self.base.names(_MOST_NAMES) if f"{self.base.name.rstrip('/')}/{n}" not in used]
        where = self.base.where
        if "weights" not in self.explicit:
            by_name = [c.where for columns in found.values() for c in columns.weights]
            if by_name:
                self.opener.notes.append(
                    f'{by_name[0]}: samples are weighted by it; [data] weights = "none" leaves it aside'
                )
            elif weights := look_like_weights(arrays):
                self.opener.notes.append(
                    f"{where}: {listed(weights, _SHOWN_NAMES)} is not used; [data] weights ="
                    f' "{printable(weights[0])}" weighs the samples by it'
                )
        if list(found) == ["train"] and (rows := look_like_rows(arrays)):
            self.opener.notes.append(
                f"warning: {where}: {listed(rows, _SHOWN_NAMES)} is not used, and all rows are training rows; write the"
                " rows of each split to groups train, valid and test"
            )

    def _refuse_halves(self, found: Mapping[str, SplitColumns]) -> None:
        for split, columns in found.items():
            if bool(columns.features) != bool(columns.targets) and (columns.targets or self.needs_targets):
                there, missing = ("features", "targets") if columns.features else ("targets", "features")
                where = (columns.features or columns.targets)[0].where
                raise DataError(
                    f"{where}: the {split} split has {there} but no {missing}; add the {missing} or remove the split"
                )

    def _not_found(self) -> str:
        """Explain which arrays were looked for, and list those that are there."""
        lines = tree_lines(list_tree(self.base))
        where = f"{self.file_path}:{self.base.name}" if self.base.name != "/" else str(self.file_path)
        if self.own:
            problem = "/train/features or /train/targets is missing; write the data set again"
        elif self.explicit:
            asked = ", ".join(f"{role} {names!r}" for role, names in self.explicit.items())
            problem = f"no training split with {asked}; check the names against what it holds (shown below)"
        else:
            problem = (
                f"no arrays named like features ({', '.join(ALIASES['features'])}) and targets"
                f" ({', '.join(ALIASES['targets'])}); name them with --features PATH --targets PATH"
                ' ([data] features = "PATH", targets = "PATH"; PATH:FIELD,'
                " PATH[3], PATH[3:7] or a comma-separated list for columns)"
            )
        return "\n".join([f"{where}: {problem}", *lines])


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
