"""Where features and targets are in a file that someone else wrote.

Tried in this order, the first that yields a training split counts:

1. a group per split: ``/train/x``, ``/train/y``, ``/test/x`` ...;
2. the split in the name: ``x_train``, ``y_train``, ``train_images`` ...;
3. neither: ``x``, ``y``, all rows are the training split.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ddp_mlp.data.hdf5.nodes import Group
from ddp_mlp.data.hdf5.tree import list_tree, tree_lines
from ddp_mlp.data.layouts.names import ALIASES, SPLITS, look_like_rows, look_like_weights, split_groups
from ddp_mlp.data.layouts.places import MOST_NAMES, NO_WEIGHTS, Lookup, Place, SplitColumns
from ddp_mlp.errors import DataError, listed, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SHOWN_NAMES = 20


@dataclass(frozen=True)
class Search:
    """One search for the arrays of a data set.

    Attributes
    ----------
    base : Group
        Where to look.
    lookup : Lookup
        How arrays are recognised there.
    needs_train : bool
        Whether a file without a training split is of no use.
    """

    base: Group
    lookup: Lookup
    needs_train: bool = True

    def find(self) -> dict[str, SplitColumns]:
        """Return the columns of each split; there is always a "train" where that is needed.

        Raises
        ------
        DataError
            If nothing is found, a name is ambiguous, or a link or array is refused.
        """
        styles = [self._group_places()] if self.lookup.own else self._styles()
        for places in styles:
            found = {place.split: self.lookup.split_at(place) for place in places}
            if not self.lookup.own and "train" not in found and any(map(self._is_complete, found.values())):
                # Arrays that name no split, beside some that do: these are the rows to train on.
                bare = self.lookup.split_at(Place("train", self.base))
                found = {"train": bare, **found} if bare.features else found
            complete = {name: columns for name, columns in found.items() if self._is_complete(columns)}
            if "train" in complete or (complete and not self.needs_train):
                self._refuse_halves(found)
                self._require_weights(complete)
                self._tell_unused(complete)
                return complete
        raise DataError(self._not_found())

    def _is_complete(self, columns: SplitColumns) -> bool:
        return bool(columns.features) and bool(columns.targets or not self.lookup.needs_targets)

    def _require_weights(self, found: Mapping[str, SplitColumns]) -> None:
        wanted = self.lookup.explicit.get("weights", NO_WEIGHTS)
        if wanted != NO_WEIGHTS and "train" in found and not found["train"].weights:
            raise DataError(
                f"{self.lookup.file_path}: no array {wanted!r} for the sample weights; `ddp-mlp data inspect` lists its"
                ' arrays ([data] weights = "PATH" or "none")'
            )

    def _styles(self) -> Iterator[list[Place]]:
        # A path from the root names one array; looked up in every group it would be each split.
        if not any(item.strip().startswith("/") for text in self.lookup.explicit.values() for item in text.split(",")):
            yield self._group_places()
        if not self.lookup.explicit.keys() & {"features", "targets"}:
            yield self._suffix_places()
        yield [Place("train", self.base)]

    def _group_places(self) -> list[Place]:
        places = []
        for split in SPLITS:
            for name in self.lookup.present(self.base, (split,) if self.lookup.own else split_groups(split)):
                node = self.base.follow(name, soft=True)
                if isinstance(node, Group):
                    places.append(Place(split, node))
                    break
        return places

    def _suffix_places(self) -> list[Place]:
        places = [Place(split, self.base, is_named=True) for split in SPLITS]
        return [
            place for place in places if self.lookup.arrays(place, "features") or self.lookup.arrays(place, "targets")
        ]

    def _tell_unused(self, found: Mapping[str, SplitColumns]) -> None:
        """Tell of arrays that a reader of the file would expect to count, and that do not."""
        if self.lookup.own:
            return
        used = {c.array.name for columns in found.values() for c in columns.all}
        arrays = [n for n in self.base.names(MOST_NAMES) if f"{self.base.name.rstrip('/')}/{n}" not in used]
        where = self.base.where
        if "weights" not in self.lookup.explicit:
            by_name = [c.where for columns in found.values() for c in columns.weights]
            if by_name:
                self.lookup.opener.notes.append(
                    f'{by_name[0]}: samples are weighted by it; [data] weights = "none" leaves it aside'
                )
            elif weights := look_like_weights(arrays):
                self.lookup.opener.notes.append(
                    f"{where}: {listed(weights, _SHOWN_NAMES)} is not used; [data] weights ="
                    f' "{printable(weights[0])}" weighs the samples by it'
                )
        if list(found) == ["train"] and (rows := look_like_rows(arrays)):
            self.lookup.opener.notes.append(
                f"warning: {where}: {listed(rows, _SHOWN_NAMES)} is not used, and all rows are training rows; write the"
                " rows of each split to groups train, valid and test"
            )

    def _refuse_halves(self, found: Mapping[str, SplitColumns]) -> None:
        for split, columns in found.items():
            if bool(columns.features) != bool(columns.targets) and (columns.targets or self.lookup.needs_targets):
                there, missing = ("features", "targets") if columns.features else ("targets", "features")
                where = (columns.features or columns.targets)[0].where
                raise DataError(
                    f"{where}: the {split} split has {there} but no {missing}; add the {missing} or remove the split"
                )

    def _not_found(self) -> str:
        """Explain which arrays were looked for, and list those that are there."""
        lines = tree_lines(list_tree(self.base))
        where = f"{self.lookup.file_path}:{self.base.name}" if self.base.name != "/" else str(self.lookup.file_path)
        if self.lookup.own:
            problem = "/train/features or /train/targets is missing; write the data set again"
        elif self.lookup.explicit:
            asked = ", ".join(f"{role} {names!r}" for role, names in self.lookup.explicit.items())
            problem = f"no training split with {asked}; check the names against what it holds (shown below)"
        else:
            problem = (
                f"no arrays named like features ({', '.join(ALIASES['features'])}) and targets"
                f" ({', '.join(ALIASES['targets'])}); name them with --features PATH --targets PATH"
                ' ([data] features = "PATH", targets = "PATH"; PATH:FIELD,'
                " PATH[3], PATH[3:7] or a comma-separated list for columns)"
            )
        return "\n".join([f"{where}: {problem}", *lines])
