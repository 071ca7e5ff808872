"""Files of predictions, written some rows at a time: HDF5, CSV, NPY or Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.data.dataset.writing import storage_errors
from ddp_mlp.data.hdf5.guard import load_h5py
from ddp_mlp.data.predictions import Answers, Outputs
from ddp_mlp.durable import destination, refuse_existing, under_way
from ddp_mlp.errors import UsageError, literal


def check_target(path: Path, *, force: bool, beside: Sequence[str] = ()) -> None:
    """Raise unless predictions, and columns that are wanted beside them, can be written to `path`.

    Raises
    ------
    UsageError
        If the suffix is not one of those that are known, or of an array, which holds outputs only.
    OutputError
        If the file exists and `force` is False, its directory does not, or it is no plain file.
    """
    if path.suffix not in _WRITERS:
        raise UsageError(f"{path}: unknown kind of file; name it {', '.join(f'*{suffix}' for suffix in _WRITERS)}")
    if beside and _WRITERS[path.suffix] is _NpyFile:
        raise UsageError(
            f"--with {literal(beside[0])}: {path.name} holds outputs only; name it *.csv, *.parquet or *.h5"
        )
    refuse_existing(path, force=force)


class PredictionsFile(Protocol):
    """A file of answers under way."""

    def append(self, answers: Answers) -> None:
        """Write the answers for the next rows."""

    def close(self) -> None:
        """Write the rest, and the end."""


@contextmanager
def predictions_file(path: Path, n_rows: int) -> Iterator[PredictionsFile]:
    """Write answers for `n_rows` rows in their order; the file appears when the block ends and not if it fails.

    HDF5, CSV and Parquet hold, for a classification, the class of each sample and the probabilities; for a regression
    one column for each target; and of an ensemble the spread behind these. NPY holds the outputs, and the columns of
    the spread. Numbers of a CSV file have as many digits as tell them from all others of their dtype.

    Raises
    ------
    OutputError, StorageError
        If it cannot be written; what was there stays.
    """
    with storage_errors(path), under_way(destination(path)) as temporary, temporary.open("x+b") as stream:
        file = _WRITERS[path.suffix](stream, n_rows)
        try:
            yield file
        except BaseException:
            with suppress(Exception):  # what failed first counts
                file.close()
            raise
        file.close()


def _table(answers: Answers) -> dict[str, Any]:
    """Return columns by name: class, what stands beside, and outputs.

    Raises
    ------
    UsageError
        If two of them would have one name, as a column of the table may have that of an answer.
    """
    columns: dict[str, Any] = {}
    if (labels := answers.labels()) is not None:
        names = answers.schema.class_names
        columns["class"] = [names[i] if names else i for i in labels.tolist()]
    outputs = dict(zip(answers.names(), answers.outputs.T, strict=True))
    for more in (answers.beside, outputs, answers.spread_columns()):
        if twice := [name for name in more if name in columns]:
            raise UsageError(f"two columns would be called {literal(twice[0])}; leave --with out, or write *.h5")
        columns |= more
    return columns


def _numbers(answers: Answers) -> dict[str, NDArray[Any]]:
    """Return the columns of outputs, and of their spread."""
    return dict(zip(answers.names(), answers.outputs.T, strict=True)) | answers.spread_columns()


class _Hdf5File:
    """Data sets ``outputs``, ``classes``, those of the spread, and ``beside/...``, made with the first rows."""

    def __init__(self, stream: IO[bytes], n_rows: int) -> None:
        # Attributes of HDF5 1.8 may be longer than 64 KiB, as the names of many classes are.
        self._file = load_h5py().File(stream, "w", libver=("v108", "v110"))
        self._n_rows, self._written = n_rows, 0

    def append(self, answers: Answers) -> None:
        """Write the answers for the next rows."""
        labels = answers.labels()
        self._put("outputs", answers.outputs, names=answers.names())
        if labels is not None:
            self._put("classes", labels, class_names=list(answers.schema.class_names or ()))
        for name, numbers in answers.spread.items():
            self._put(name, numbers if labels is None else numbers[:, 0])
        for name, values in answers.beside.items():
            self._put(f"beside/{name.replace('/', '_')}", np.array(values, object if _are_texts(values) else None))
        self._written += len(answers.outputs)

    def _put(self, name: str, values: NDArray[Any], **attributes: list[str]) -> None:
        if name not in self._file:
            dtype = load_h5py().string_dtype() if values.dtype == object else values.dtype
            made = self._file.create_dataset(name, (self._n_rows, *values.shape[1:]), dtype)
            made.attrs.update({key: texts for key, texts in attributes.items() if texts})
        if len(values):
            self._file[name][self._written : self._written + len(values)] = values

    def close(self) -> None:
        """Write the rest, and the end."""
        self._file.close()


def _are_texts(values: Sequence[Any]) -> bool:
    return len(values) > 0 and isinstance(values[0], str)


class _CsvFile:
    """Lines, below one of names."""

    def __init__(self, stream: IO[bytes], n_rows: int) -> None:  # noqa: ARG002 - lines are not counted
        self._text = io.TextIOWrapper(stream, "utf-8", newline="")
        self._writer = csv.writer(self._text, lineterminator="\n")
        self._has_names = False

    def append(self, answers: Answers) -> None:
        """Write the answers for the next rows."""
        texts = {name: _shortest(numbers).tolist() for name, numbers in _numbers(answers).items()}
        columns = _table(answers) | texts
        if not self._has_names:
            self._writer.writerow(columns)
            self._has_names = True
        self._writer.writerows(zip(*columns.values(), strict=True))

    def close(self) -> None:
        """Write the rest, and the end."""
        self._text.flush()
        self._text.detach()


def _shortest(outputs: Outputs) -> NDArray[Any]:
    """Return numbers as the shortest texts that read back as the same numbers of their dtype."""
    return outputs.astype(str)


class _NpyFile:
    """One array: a header for all rows, then their outputs, each row with its spread behind it."""

    def __init__(self, stream: IO[bytes], n_rows: int) -> None:
        self._stream, self._n_rows = stream, n_rows

    def append(self, answers: Answers) -> None:
        """Write the outputs for the next rows."""
        outputs = np.ascontiguousarray(np.hstack([answers.outputs, *answers.spread.values()]))
        if self._stream.tell() == 0:
            header = {"shape": (self._n_rows, *outputs.shape[1:]), "fortran_order": False}
            described = {"descr": np.lib.format.dtype_to_descr(outputs.dtype), **header}
            np.lib.format.write_array_header_1_0(self._stream, described)
        self._stream.write(outputs.tobytes())

    def close(self) -> None:
        """Return at once: all is written."""


class _ParquetFile:
    """The columns of a CSV file, with their types; a row group for each piece."""

    def __init__(self, stream: IO[bytes], n_rows: int) -> None:  # noqa: ARG002 - Parquet counts by itself
        self._stream = stream
        self._writer: Any = None

    def append(self, answers: Answers) -> None:
        """Write the answers for the next rows."""
        import pyarrow
        from pyarrow import parquet

        table = pyarrow.table({name: pyarrow.array(values) for name, values in _table(answers).items()})
        if self._writer is None:
            self._writer = parquet.ParquetWriter(self._stream, table.schema)
        self._writer.write_table(table)

    def close(self) -> None:
        """Write the rest, and the end."""
        if self._writer is not None:
            self._writer.close()


_WRITERS: dict[str, Callable[[IO[bytes], int], PredictionsFile]] = {
    ".h5": _Hdf5File, ".csv": _CsvFile, ".npy": _NpyFile, ".parquet": _ParquetFile
}  # fmt: skip
