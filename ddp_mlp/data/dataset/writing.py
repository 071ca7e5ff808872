"""Write a data set: all of it or nothing, under a temporary name until it is complete.

Arrays are contiguous and not compressed: they are read fastest that way (a rank's rows are
one stretch of the file), floats hardly shrink, and their number of rows is known beforehand.
With ``compress=True`` they are cut into chunks of about 1 MiB, shuffled and packed by gzip 1,
which any HDF5 library reads; that pays for images that travel over a slow network.
"""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from ddp_mlp.config.loading import TABLE_SUFFIXES
from ddp_mlp.data.dataset.contents import Contents
from ddp_mlp.data.dataset.row_labels import BESIDE, array_name
from ddp_mlp.data.dataset.structure import FORMAT, FORMAT_VERSION
from ddp_mlp.data.hdf5.guard import load_h5py
from ddp_mlp.data.schema import schema_to_json
from ddp_mlp.durable import destination, under_way
from ddp_mlp.errors import DdpMlpError, OutputError, StorageError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ddp_mlp.data.rows import Rows

_CHUNK_BYTES = 2**20
#: Names that promise something else than HDF5.
_OTHER_FORMATS = (*TABLE_SUFFIXES, ".txt", ".dat", ".gz", ".zip", ".toml", ".pkl", ".pt", ".onnx")
# Groups, attributes and names beside the arrays.
_OVERHEAD_BYTES = 2**16


@dataclass(frozen=True, eq=False)
class DatasetWriter:
    """A data set under construction; made by `create_dataset`.

    Attributes
    ----------
    contents : Contents
    """

    contents: Contents
    _file: Any
    _compress: bool
    _written: dict[str, int] = field(default_factory=dict)

    def append(self, split: str, rows: Rows) -> None:
        """Write the next rows of a split.

        Raises
        ------
        StorageError
            If the disk is full or fails.
        ValueError
            If the split gets more rows than announced.
        """
        start = self._written.get(split, 0)
        stop = start + len(rows.features)
        announced = self.contents.sizes[split]
        if stop > announced:
            message = f"{stop} rows for split {split!r}, announced were {announced}"
            raise ValueError(message)
        group = self._file[split]
        group["features"][start:stop] = rows.features
        as_labels = self.contents.schema.task != "regression"
        if self.contents.has_targets:
            group["targets"][start:stop] = rows.targets[:, 0] if as_labels else rows.targets
        if rows.weights is not None:
            if "weights" not in group:
                self._create(group, "weights", (announced,), "f8")
            group["weights"][start:stop] = rows.weights
        for name, texts in zip(self.contents.ids, () if rows.ids is None else rows.ids.T, strict=False):
            group[BESIDE][array_name(name)][start:stop] = texts
        self._written[split] = stop

    def _prepare(self) -> None:
        contents, schema = self.contents, self.contents.schema
        attrs = {"format": FORMAT, "format_version": FORMAT_VERSION, "task": schema.task, "source": contents.origin}
        self._file.attrs.update(attrs)
        self._file.attrs["created_utc"] = datetime.now(UTC).isoformat(timespec="seconds")
        if contents.has_targets:
            self._file.attrs["schema"] = schema_to_json(schema)
        for split, n_samples in contents.sizes.items():
            group = self._file.create_group(split)
            features = self._create(group, "features", (n_samples, schema.n_features), contents.feature_dtype)
            _set_names(features, "names", schema.feature_names)
            for name in contents.ids:
                group.require_group(BESIDE).create_dataset(array_name(name), (n_samples,), load_h5py().string_dtype())
            if schema.image_shape:
                features.attrs["image_shape"] = np.asarray(schema.image_shape, np.int64)
            if not contents.has_targets:
                continue
            as_labels = schema.task != "regression"
            shape = (n_samples,) if as_labels else (n_samples, schema.n_targets)
            targets = self._create(group, "targets", shape, "i8" if as_labels else "f8")
            _set_names(targets, "names", schema.target_names)
            _set_names(targets, "class_names", schema.class_names)
            if schema.n_classes is not None:
                targets.attrs["n_classes"] = schema.n_classes

    def _create(self, group: Any, name: str, shape: tuple[int, ...], dtype: str) -> Any:
        if not self._compress:
            return group.create_dataset(name, shape, dtype)
        row_bytes = np.dtype(dtype).itemsize * int(np.prod(shape[1:], dtype=np.int64))
        chunks = (min(shape[0], max(1, _CHUNK_BYTES // row_bytes)), *shape[1:])
        return group.create_dataset(
            name, shape, dtype, chunks=chunks, compression="gzip", compression_opts=1, shuffle=True
        )

    def _require_complete(self) -> None:
        if self._written != dict(self.contents.sizes):
            message = f"rows written {self._written}, announced {dict(self.contents.sizes)}"
            raise ValueError(message)


@contextmanager
def create_dataset(
    path: Path,
    contents: Contents,
    *,
    force: bool = False,
    compress: bool = False,
) -> Iterator[DatasetWriter]:
    """Create the data set `path`, which appears when the block ends and not if it fails.

    Parameters
    ----------
    path : Path
        The file to write.
    contents : Contents
    force : bool
        Replace an existing file.
    compress : bool
        Write gzip chunks.

    Raises
    ------
    OutputError
        If the file exists already or cannot be created.
    StorageError
        If the disk is full or fails.
    """
    require_writable(path, force=force)
    _require_space(path, contents)
    target = destination(path)
    with storage_errors(path), under_way(target, lambda: require_writable(path, force=force)) as temporary:
        file = _create_file(temporary, path)
        with _closing(file):
            writer = DatasetWriter(contents, file, compress)
            writer._prepare()
            yield writer
            writer._require_complete()


def require_writable(path: Path, *, force: bool) -> None:
    """Check, before any work is done, that `path` may be created.

    Raises
    ------
    UsageError
        If its name is that of another format.
    OutputError
        If it exists and `force` is false, is not a plain file, or its directory is not there or cannot be written to.
    """
    if path.suffix.lower() in _OTHER_FORMATS:
        raise UsageError(f"{path}: data sets are written as HDF5; name it {path.with_suffix('.h5')}")
    if destination(path).exists() and not force:
        raise OutputError(f"{path}: the file exists; choose another name or replace it with --force")


def _require_space(path: Path, contents: Contents) -> None:
    """Check that the arrays fit: HDF5 takes a full disk badly, so it should not meet one."""
    needed = contents.n_bytes + _OVERHEAD_BYTES
    free = shutil.disk_usage(path.resolve().parent).free
    if needed > free:
        raise StorageError(
            f"{path}: {needed / 2**20:.1f} MiB needed, {free / 2**20:.1f} MiB free; free some space or write elsewhere"
        )


def _create_file(temporary: Path, path: Path) -> Any:
    try:
        # Mode "x" never follows a link that someone put there. HDF5 1.8 attributes may be
        # longer than 64 KiB, as the names of many columns are.
        return load_h5py().File(temporary, "x", libver=("v108", "v110"))
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else " ".join(str(error).split())
        raise OutputError(f"{path}: cannot be created ({reason}); check permissions or write elsewhere") from error


@contextmanager
def _closing(file: Any) -> Iterator[None]:
    """Close a file; if the block failed, its error counts and not that of closing."""
    try:
        yield
    except BaseException:
        with suppress(OSError, RuntimeError):
            file.close()
        raise
    file.close()


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn errors of a disk, as the system or HDF5 tell them, into StorageError about `path`."""
    try:
        yield
    except DdpMlpError:
        raise
    except (OSError, RuntimeError) as error:
        detail = " ".join(str(error).split())
        full = error.errno == errno.ENOSPC if isinstance(error, OSError) else False
        if full or "No space left" in detail:
            raise StorageError(f"{path}: the disk is full; free some space or write elsewhere") from error
        raise StorageError(f"{path}: writing failed ({detail[:200]}); check the disk and try again") from error


def _set_names(node: Any, name: str, values: tuple[str, ...] | None) -> None:
    if values is not None:
        node.attrs.create(name, np.array(values, dtype=object), dtype=load_h5py().string_dtype())
