"""Files of predictions: HDF5, CSV or NPY."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.data.hdf5.guard import load_h5py
from ddp_mlp.durable import destination, write_chosen
from ddp_mlp.errors import OutputError, UsageError

Outputs = NDArray[np.floating]


def check_target(path: Path, *, force: bool) -> None:
    """Raise unless predictions can be written to `path`.

    Raises
    ------
    UsageError
        If the suffix is not one of those that are known.
    OutputError
        If the file exists and `force` is False, its directory does not, or it is no plain file.
    """
    if path.suffix not in _WRITERS:
        raise UsageError(f"{path}: unknown kind of file; name it {', '.join(f'*{suffix}' for suffix in _WRITERS)}")
    target = destination(path)
    if target.exists() and not force:
        raise OutputError(f"{path} exists; choose another name or give --force")
    if not target.parent.is_dir():
        raise OutputError(f"{path}: there is no directory {target.parent}")


def write_predictions(
    path: Path,
    outputs: Outputs,
    task: str,
    target_names: Sequence[str] | None,
    class_names: Sequence[str] | None,
    *,
    threshold: float = 0.5,
) -> None:
    """Write a network's outputs, in the order of the samples.

    HDF5 and CSV hold, for a classification, the class of each sample and the probabilities;
    for a regression one column for each target. NPY holds the outputs alone.

    Parameters
    ----------
    outputs : ndarray of shape (n, n_outputs)
        Values, or probabilities in [0, 1].
    threshold : float
        A single output above it is class 1; where that is not 0.5, it is a score and no
        probability.

    Raises
    ------
    OutputError, StorageError
        If it cannot be written; what was there stays.
    """
    names = _column_names(outputs.shape[1], task, target_names, class_names, "p" if threshold == 0.5 else "score")
    labels = _labels(outputs, task, threshold)
    write_chosen(path, _WRITERS[path.suffix](outputs, labels, names, class_names))


def _labels(outputs: Outputs, task: str, threshold: float) -> NDArray[np.int64] | None:
    if task == "regression":
        return None
    chosen = outputs[:, 0] > threshold if task == "binary" else outputs.argmax(axis=1)
    return chosen.astype(np.int64)


def _column_names(
    n: int, task: str, target_names: Sequence[str] | None, class_names: Sequence[str] | None, kind: str
) -> list[str]:
    if task == "regression":
        return list(target_names) if target_names else [f"target{i}" for i in range(n)]
    if task == "binary":
        return [f"{kind}({class_names[1] if class_names else 1})"]
    return [f"{kind}({name})" for name in (class_names or range(n))]


def _as_hdf5(
    outputs: Outputs, labels: NDArray[np.int64] | None, names: list[str], class_names: Sequence[str] | None
) -> bytes:
    buffer = io.BytesIO()
    with load_h5py().File(buffer, "w", libver=("v108", "v110")) as file:  # names may take more than 64 KiB
        file["outputs"] = outputs
        file["outputs"].attrs["names"] = names
        if labels is not None:
            file["classes"] = labels
            if class_names:
                file["classes"].attrs["class_names"] = list(class_names)
    return buffer.getvalue()


def _as_csv(
    outputs: Outputs, labels: NDArray[np.int64] | None, names: list[str], class_names: Sequence[str] | None
) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names if labels is None else ["class", *names])
    for i, row in enumerate(outputs.tolist()):
        first = [] if labels is None else [class_names[labels[i]] if class_names else int(labels[i])]
        writer.writerow([*first, *(f"{value:.9g}" for value in row)])
    return text.getvalue().encode()


def _as_npy(outputs: Outputs, *_: object) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, outputs, allow_pickle=False)
    return buffer.getvalue()


_Writer = Callable[[Outputs, NDArray[np.int64] | None, list[str], Sequence[str] | None], bytes]
_WRITERS: dict[str, _Writer] = {".h5": _as_hdf5, ".csv": _as_csv, ".npy": _as_npy}
