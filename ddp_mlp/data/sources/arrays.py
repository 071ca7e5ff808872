"""Features and targets that lie side by side as named arrays: of NumPy's archives and of MATLAB's files.

Names and meaning are those of HDF5 files (`dataset.names`, `meaning`): an array means the same in every format.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ddp_mlp.data.dataset.meaning import Wanted
from ddp_mlp.data.layouts.names import ALIASES, SPLITS, Role, look_like_rows, look_like_weights, split_names
from ddp_mlp.data.layouts.paths import Named, parse_path
from ddp_mlp.data.layouts.places import NO_WEIGHTS
from ddp_mlp.data.memory.held import Arrays, held_arrays
from ddp_mlp.data.rows import require_task
from ddp_mlp.data.sources.stored import source_of_dataset
from ddp_mlp.data.sources.tables.words import listed
from ddp_mlp.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from ddp_mlp.data.dataset.dataset import DatasetFile
    from ddp_mlp.data.sources.options import ImportOptions
    from ddp_mlp.data.sources.source import Source

    Names = dict[str, dict[Role, list[str]]]

#: Split and role of arrays by their names in small letters: those that tell the split, and those that do not.
_OF_SPLITS = {form.lower(): (split, role) for role in ALIASES for split in SPLITS for form in split_names(role, split)}
_BARE = {name.lower(): role for role, names in ALIASES.items() for name in names}
_MATRIX = 2
_OPTION: Mapping[Role, str] = {"features": "--features", "targets": "--target", "weights": "--weights"}


def source_of_arrays(path: Path, kind: str, arrays: Mapping[str, NDArray[Any]], options: ImportOptions) -> Source:
    """Return features, targets and weights that lie side by side under known names, or stated ones.

    Parameters
    ----------
    path : Path
        For messages.
    kind : str
        Of the file, for the data set.
    arrays : dict of str to ndarray
        All that the file holds.
    options : ImportOptions
        ``features``, ``targets`` and ``weights`` name arrays.

    Raises
    ------
    UsageError
        If the names are not there, or do not tell which array is which.
    DataError
        If shapes do not fit, or values are no numbers.
    """
    if options.missing not in {"auto", "error", "impute"}:
        raise UsageError(f"{path}: --missing {options.missing} is for tables; impute or error is allowed for arrays")
    arrays = _with_parts(path, arrays, options)
    names = _names(path, arrays, options)
    parts = {split: _part(path, arrays, roles) for split, roles in names.items()}
    held = held_arrays(parts, str(path), f"{kind} {path.name}")
    task = None if options.task == "auto" else require_task(options.task, "--task")
    notes = _told(path, arrays, names, options)

    def opened() -> DatasetFile:
        wanted = Wanted(task, options.like, targets="optional" if options.answers_only else "needed")
        return held.open(wanted).with_notes(notes)

    return source_of_dataset(opened, held.source, fills=options.missing == "impute")


def _with_parts(path: Path, arrays: Mapping[str, NDArray[Any]], options: ImportOptions) -> dict[str, NDArray[Any]]:
    """Add the columns that are named, as ``NAME[4]`` or ``NAME[3:7]``; what is named as target is no feature."""
    others = (*options.targets, *filter(None, (options.weights,)))
    parts = {name: (parse_path(name).path, _part_of(path, name, arrays)) for name in (*others, *options.features)}
    taken = {(parts[name][0], i) for name in others for i in parts[name][1]}
    found = dict(arrays)
    for name, (whole, columns) in parts.items():
        left = [i for i in columns if name in others or (whole, i) not in taken]
        if columns and (name not in arrays or len(left) < len(columns)):
            found[name] = arrays[name if name in arrays else whole][:, left]
    return found


def _part_of(path: Path, name: str, arrays: Mapping[str, NDArray[Any]]) -> list[int]:
    """Return the columns that a name stands for; none where it is that of no array of two dimensions."""
    named = Named(name) if name in arrays else parse_path(name)
    array = arrays.get(named.path)
    if array is None or array.ndim != _MATRIX or named.field is not None:
        return []
    return list(range(*(named.part(array.shape[1], f"{path}:{named.path}") or (0, array.shape[1]))))


def _names(path: Path, arrays: Mapping[str, NDArray[Any]], options: ImportOptions) -> Names:
    """Return the names of the arrays of each split, by role: those that were stated, else those that are known."""
    stated: dict[Role, tuple[str, ...]] = {"features": options.features, "targets": options.targets}
    if options.weights is not None:
        stated["weights"] = (options.weights,)
    found: Names = {}
    for role in ALIASES:
        names = stated.get(role, ())
        if names == (NO_WEIGHTS,):
            continue
        if missing := [name for name in names if name not in arrays]:
            raise UsageError(f"{path}: no array {missing[0]!r} for the {role}; there are {_tree(arrays)}")
        for split, chosen in (_stated(names) if names else _known(path, role, arrays)).items():
            found.setdefault(split, {})[role] = chosen
    _require_whole(path, found, arrays, answers_only=options.answers_only)
    return {split: found[split] for split in SPLITS if split in found}


def _require_whole(path: Path, found: Names, arrays: Mapping[str, NDArray[Any]], *, answers_only: bool) -> None:
    """Check that there are rows to train on, and that no split lacks its features or targets."""
    needed: tuple[Role, ...] = ("features",) if answers_only else ("features", "targets")
    if not (found if answers_only else found.get("train", {}).keys() & set(needed)):
        raise UsageError(
            f"{path}: no features and targets found among {_tree(arrays)}; name them with --features and --target"
        )
    for split, roles in found.items():
        if lacking := [role for role in needed if role not in roles]:
            raise UsageError(
                f"{path}: no {lacking[0]} of the {split} split found among {_tree(arrays)}; name them with"
                f" {_OPTION[lacking[0]]}"
            )


def _tree(arrays: Mapping[str, NDArray[Any]]) -> str:
    return listed([f"{name} {array.shape}" for name, array in arrays.items()])


def _stated(names: tuple[str, ...]) -> dict[str, list[str]]:
    """Return stated names by the split that they tell; several of one split are columns side by side."""
    found: dict[str, list[str]] = {}
    for name in names:
        words = _short(parse_path(name).path).split("_")
        split = next((split for split, known in SPLITS.items() if set(words) & set(known)), "train")
        found.setdefault(split, []).append(name)
    return found


def _known(path: Path, role: Role, arrays: Mapping[str, NDArray[Any]]) -> dict[str, list[str]]:
    """Return the arrays that have a name of the role: those that tell a split, and others where none is of train."""
    found: dict[str, list[str]] = {}
    for name in arrays:
        split, of = _OF_SPLITS.get(_short(name), ("", role))
        if split and of == role:
            found.setdefault(split, []).append(name)
    if "train" not in found and (bare := [name for name in arrays if _BARE.get(_short(name)) == role]):
        found["train"] = bare
    for names in found.values():
        if len(names) > 1:
            raise UsageError(
                f"{path}: {' and '.join(names)} could each be the {role}; choose one, as in {_OPTION[role]} {names[0]}"
            )
    return found


def _short(name: str) -> str:
    """Return the name of an array as it is compared: of a field of a struct, the field."""
    return name.lower().removesuffix(".npy").rpartition(".")[2]


def _part(path: Path, arrays: Mapping[str, NDArray[Any]], roles: Mapping[Role, list[str]]) -> Arrays:
    """Return the arrays of one split."""
    values = {role: _beside(path, [arrays[name] for name in names]) for role, names in roles.items()}
    where = {role: f"{path}:{'+'.join(names)}" for role, names in roles.items()}
    return Arrays(
        values["features"], values.get("targets"), values.get("weights"),
        (where["features"], where.get("targets", ""), where.get("weights", "")),
    )  # fmt: skip


def _beside(path: Path, arrays: list[NDArray[Any]]) -> NDArray[Any]:
    if len(arrays) == 1:
        return arrays[0]
    try:
        return np.column_stack(arrays)
    except ValueError as error:
        shapes = " and ".join(str(array.shape) for array in arrays)
        raise DataError(
            f"{path}: arrays of shapes {shapes} do not fit side by side; one row per sample is needed"
        ) from error


def _told(path: Path, arrays: Mapping[str, NDArray[Any]], names: Names, options: ImportOptions) -> tuple[str, ...]:
    """Tell of arrays that count without being asked for, or that a reader would expect to count."""
    used = {name for roles in names.values() for chosen in roles.values() for name in chosen}
    rest = [name for name in arrays if name not in used | {parse_path(one).path for one in used}]
    weights = [name for roles in names.values() for name in roles.get("weights", ())]
    notes = []
    if options.weights is None and weights:
        notes.append(f"samples are weighted by {weights[0]}; --weights none leaves it aside")
    elif options.weights is None and (like := look_like_weights(rest)):
        notes.append(f"{listed(like, 8)} is not used; --weights {like[0]} weighs the samples by it")
    if list(names) == ["train"] and (rows := look_like_rows(rest)):
        notes.append(f"warning: {path}: {listed(rows, 8)} is not used, and all rows are training rows")
    elif rest:
        notes.append(f"arrays that are not used: {listed(rest, 8)}")
    return tuple(notes)
