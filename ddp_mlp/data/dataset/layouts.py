"""Where features and targets are in a file that someone else wrote.

Tried in this order, the first that yields a training split counts:

1. a group per split: ``/train/x``, ``/train/y``, ``/test/x`` ...;
2. the split in the name: ``x_train``, ``y_train``, ``train_images`` ...;
3. neither: ``x``, ``y``, all rows are the training split.

Explicit names (``features = "..."``) are comma-separated paths. Each is an array or
``PATH:FIELD``, a field of a compound array; ``PATH`` of a compound array means all its
fields but those named as targets. A path is looked up in each split's group first, then in
the file; one that begins with ``/`` only from the root of the file. Several one-dimensional
arrays or fields become the columns of a matrix, in the order of the list.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import TYPE_CHECKING, Literal

from ddp_mlp.data.dataset.columns import Column
from ddp_mlp.data.hdf5.arrays import Array, Found
from ddp_mlp.data.hdf5.nodes import Group, root
from ddp_mlp.data.hdf5.tree import list_tree, tree_lines
from ddp_mlp.errors import DataError, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

Role = Literal["features", "targets", "weights"]

ALIASES: Mapping[Role, tuple[str, ...]] = {
    "features": ("features", "X", "x", "inputs", "data", "images"),
    "targets": ("targets", "y", "Y", "labels", "label", "outputs"),
    "weights": ("weights", "sample_weight", "sample_weights"),
}
SPLITS: Mapping[str, tuple[str, ...]] = {
    "train": ("train", "training"),
    "valid": ("valid", "val", "validation", "dev"),
    "test": ("test", "testing"),
}
#: In place of a path: samples are not weighted, whatever arrays there are.
NO_WEIGHTS = "none"
_SHOWN_NAMES = 20
_OWN_NAMES: Mapping[Role, tuple[str, ...]] = {r: (r,) for r in ALIASES}


@dataclass(frozen=True)
class SplitColumns:
    """The columns that make up one split; `targets` may be empty where a search does not need them."""

    features: tuple[Column, ...]
    targets: tuple[Column, ...]
    weights: tuple[Column, ...]


@dataclass(frozen=True)
class _Place:
    """A group that may hold one split, and how names are written there."""

    split: str
    group: Group
    patterns: tuple[str, ...] = ("{name}",)


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
    """

    file_path: Path
    base: Group
    explicit: Mapping[Role, str]
    own: bool
    needs_targets: bool = True
    needs_train: bool = True
    _accepted: dict[str, Array] = dataclass_field(default_factory=dict)

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
        for split, aliases in SPLITS.items():
            for alias in aliases:
                node = self.base.follow(alias)
                if isinstance(node, Group):
                    places.append(_Place(split, node))
                    break
        return places

    def _suffix_places(self) -> list[_Place]:
        places = [
            _Place(split, self.base, tuple(f for a in aliases for f in (f"{{name}}_{a}", f"{a}_{{name}}")))
            for split, aliases in SPLITS.items()
        ]
        return [place for place in places if self._arrays(place, "features") or self._arrays(place, "targets")]

    def _split_at(self, place: _Place) -> SplitColumns:
        targets = self._columns(place, "targets", frozenset())
        taken = frozenset((c.array.name, c.field) for c in targets)
        features = self._columns(place, "features", taken)
        taken |= {(c.array.name, c.field) for c in features}
        return SplitColumns(features, targets, self._columns(place, "weights", taken))

    def _columns(self, place: _Place, role: Role, taken: frozenset[tuple[str, str | None]]) -> tuple[Column, ...]:
        if self.explicit.get(role) == NO_WEIGHTS and role == "weights":
            return ()
        if role not in self.explicit:
            return self._by_alias(place, role, taken)
        columns: list[Column] = []
        for item in filter(None, (part.strip() for part in self.explicit[role].split(","))):
            found = self._by_path(place, item)
            if found is None:
                return ()
            columns += [c for c in found if (c.array.name, c.field) not in taken]
        return tuple(columns)

    def _by_alias(self, place: _Place, role: Role, taken: frozenset[tuple[str, str | None]]) -> tuple[Column, ...]:
        arrays = self._arrays(place, role)
        if len(arrays) > 1:
            raise DataError(
                f"{self.file_path}:{place.group.name}: {' and '.join(arrays)} could each be the {role};"
                f' choose one, as in --{role} {next(iter(arrays))} ([data] {role} = "...")'
            )
        columns = (c for node in arrays.values() for c in self._accept(node, None))
        return tuple(c for c in columns if (c.array.name, c.field) not in taken)

    def _arrays(self, place: _Place, role: Role) -> dict[str, Found]:
        """Return the arrays that have one of the names of a role."""
        aliases = _OWN_NAMES[role] if self.own else ALIASES[role]
        candidates = [pattern.format(name=alias) for alias in aliases for pattern in place.patterns]
        nodes = {name: place.group.follow(name) for name in candidates}
        return {name: node for name, node in nodes.items() if isinstance(node, Found)}

    def _by_path(self, place: _Place, item: str) -> list[Column] | None:
        path, _, field = item.partition(":")
        start = root(place.group.file) if path.startswith("/") else place.group
        node = start.follow(path)
        return self._accept(node, field or None) if isinstance(node, Found) else None

    def _accept(self, found: Found, field: str | None) -> list[Column]:
        # Each array is checked once, however many of its fields are named.
        array = self._accepted.get(found.name) or found.accept()
        self._accepted[found.name] = array
        where, fields = found.where, array.fields
        if field is None:
            return [Column(array, f, f"{where}:{printable(f)}" if f else where) for f in fields or (None,)]
        if field not in fields:
            allowed = f"its fields are {_listed(fields)}" if fields else "it has no fields"
            raise DataError(f"{where}: no field {field!r}, {allowed}; write PATH or PATH:FIELD")
        return [Column(array, field, f"{where}:{printable(field)}")]

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
                ' ([data] features = "PATH", targets = "PATH"; PATH:FIELD or'
                " a comma-separated list for columns)"
            )
        return "\n".join([f"{where}: {problem}", *lines])


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    return ", ".join(map(printable, names[:_SHOWN_NAMES])) + more
