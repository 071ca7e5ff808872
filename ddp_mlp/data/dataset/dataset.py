"""Read a data set: the layout this program writes, and most that others write.

::

    /                     attrs: format="ddp-mlp-dataset", format_version=1, task, source, created_utc
    /train/features  (N, F) any numeric dtype      attrs: names, image_shape (both optional)
    /train/targets   (N,) integer classes | (N, T) floats   attrs: names, class_names, n_classes
    /train/weights   (N,) optional sample weights
    /valid/...  /test/...  likewise, optional

Other layouts are found as `layouts` tells. There the attribute ``task`` of the file counts; without it, the
targets tell by the rule of `tasks`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ddp_mlp.data.dataset.fingerprints import fingerprint
from ddp_mlp.data.dataset.meaning import Structure, Wanted
from ddp_mlp.data.dataset.split import Split
from ddp_mlp.data.dataset.structure import read_structure
from ddp_mlp.data.hdf5.guard import OpenFile, open_readonly
from ddp_mlp.data.hdf5.nodes import Group, root
from ddp_mlp.data.schema import Schema
from ddp_mlp.errors import DataError, UsageError, shell_word

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

    from ddp_mlp.data.layouts.names import Role


@dataclass(frozen=True, eq=False)
class DatasetFile:
    """An open data set; a context manager that closes its file.

    Attributes
    ----------
    path : Path
        The file.
    group : str
        The group in the file, "/" for all of it.
    schema : Schema
        What it is, or what it was bound to.
    source : str
        What the file says about its origin, "" if nothing.
    splits : dict of str to Split
        "train", which is always there unless a schema was given, "valid" and "test".
    selection : tuple of str or None
        The group, and what was asked of it: all that decides which rows these are.
    notes : tuple of str
        What was guessed, taken by position, or left aside, for the user.
    """

    path: Path
    group: str
    schema: Schema
    source: str
    splits: dict[str, Split]
    selection: tuple[str | None, ...]
    notes: tuple[str, ...]
    _file: OpenFile | None

    def fingerprint(self) -> str:
        """Hash the content: task, shapes, dtypes and the bytes of the rows.

        The same for the same content, whatever the path, the chunks and the compression.
        Every byte counts.

        Returns
        -------
        str
            Hexadecimal digits; see `fingerprints`.

        Raises
        ------
        DataError
            If the file is damaged.
        """
        return fingerprint(self.schema.task, self.schema.n_outputs, self.splits)

    def with_notes(self, notes: Sequence[str]) -> DatasetFile:
        """Return the same open file with more to tell of it."""
        return replace(self, notes=(*self.notes, *notes))

    def identity(self) -> tuple[int, ...]:
        """Return device, number, length, and the times of change of the file, in nanoseconds; empty for memory."""
        return self._file.watched.identity() if self._file else ()

    def base(self) -> Group | None:
        """Return the group that holds it; None for memory."""
        found = root(self._file).follow(self.group, soft=True) if self._file else None
        return found if isinstance(found, Group) else None

    def close(self) -> None:
        """Close the file; its splits can no longer be read."""
        if self._file:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_dataset(
    location: str | Path,
    *,
    features: str | None = None,
    targets: str | None = None,
    weights: str | None = None,
    wanted: Wanted = Wanted(),  # noqa: B008 - frozen
) -> DatasetFile:
    """Open a data set for reading.

    Parameters
    ----------
    location : str or Path
        ``F.h5`` or ``F.h5:/group``.
    features, targets, weights : str, optional
        Which arrays these are, for layouts that are not recognised; see `layouts`. Weights are found by their
        names unless they are given here or are "none".
    wanted : Wanted
        What is known of it already: the task, or the schema of a model.

    Returns
    -------
    DatasetFile
        Shapes and dtypes are checked; values are checked when they are read.

    Raises
    ------
    MissingInputError
        If there is no such file.
    DataError
        If it is no HDF5 file, is damaged, has no data set, holds what is not allowed, or does not fit what is wanted.
    UsageError
        If `features`, `targets` or `weights` is given but empty.
    """
    path, group = split_location(location)
    given: tuple[tuple[Role, str | None], ...] = (("features", features), ("targets", targets), ("weights", weights))
    explicit = {role: text for role, text in given if text is not None}
    for role, text in explicit.items():
        if not text.replace(",", "").strip():
            raise UsageError(f"{role} is {text!r}; give the path of an array in {path}, or leave it out")
    file = open_readonly(path)
    try:
        base = root(file).follow(group, soft=True)
        if not isinstance(base, Group):
            raise DataError(
                f"{path}:{group}: no such group in the file; `ddp-mlp data inspect {shell_word(path)}` lists it"
            )
        structure = read_structure(path, base, explicit, wanted)
        asked = (weights, wanted.task) if weights or wanted.task else ()
        uses = wanted.targets != "unused"
        return dataset_file(path, structure, (group, features, targets, *asked), file, uses_targets=uses)
    except BaseException:
        file.close()
        raise


def split_location(location: str | Path) -> tuple[Path, str]:
    """Split ``F.h5:/group`` into path and group; the group is "/" where none is given.

    Examples
    --------
    >>> split_location("run.h5:/fold/3")
    (PosixPath('run.h5'), '/fold/3')
    """
    text = str(location)
    path, colon, group = text.rpartition(":/")
    if not colon or _exists(text):
        return Path(text), "/"
    return Path(path), "/" + group.strip("/")


def _exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):  # no name that a file can have
        return False


def dataset_file(
    path: Path, structure: Structure, selection: tuple[str | None, ...], file: OpenFile | None, *, uses_targets: bool
) -> DatasetFile:
    """Return a data set of a structure that was read.

    Parameters
    ----------
    path : Path
        Its name in messages.
    structure : Structure
    selection : tuple of str or None
        The group, and what was asked of it.
    file : OpenFile or None
        None where its rows are in memory.
    uses_targets : bool
    """
    splits = {}
    for name, binding in structure.bindings.items():
        found = structure.splits[name]
        features = found.features
        splits[name] = Split(
            name, features.n_rows, features.dtype, binding, features, found.targets, found.weights,
            structure.checks(name), structure.schema.class_names, uses_targets,
        )  # fmt: skip
    group = selection[0] or "/"
    return DatasetFile(path, group, structure.schema, structure.source, splits, selection, structure.notes, file)
