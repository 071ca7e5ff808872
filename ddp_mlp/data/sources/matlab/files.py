"""MATLAB files up to version 7, read by SciPy: an extra, imported where one is read. Those of 7.3 are HDF5."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ddp_mlp.data.sources.arrays import source_of_arrays
from ddp_mlp.errors import DataError, MissingInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ddp_mlp.data.sources.options import ImportOptions
    from ddp_mlp.data.sources.source import Source

_SIGNATURE = b"MATLAB 5.0 MAT-file"


def is_matlab(path: Path) -> bool:
    """Tell whether a file is of MATLAB's versions 5 to 7, by its first bytes."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_SIGNATURE)) == _SIGNATURE


def read_matlab(path: Path, options: ImportOptions) -> Source:
    """Read features and targets that lie side by side under known names, or stated ones.

    A cell array of texts and a matrix of characters are text; the fields of a struct are ``NAME.FIELD``.

    Raises
    ------
    MissingInputError
        If SciPy is not installed.
    UsageError
        If the names are not there.
    DataError
        If the file is damaged, or shapes do not fit.
    """
    return source_of_arrays(path, "MATLAB", _arrays(path), options)


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    if importlib.util.find_spec("scipy") is None:
        raise MissingInputError(
            f"{path}: reading MATLAB files up to version 7 needs SciPy; pip install 'ddp-mlp[matlab]', or save it with"
            " -v7.3"
        )
    with tempfile.TemporaryDirectory(prefix="ddp-mlp-") as folder:
        out = Path(folder) / "arrays.npz"
        command = [sys.executable, "-m", "ddp_mlp.data.sources.matlab.child", str(path.resolve()), str(out)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode < 0:
            raise DataError(f"{path}: no MATLAB file that can be read (SciPy ended with signal {-done.returncode})")
        if done.returncode:
            raise DataError(f"{path}: {(done.stderr.strip().splitlines() or ['SciPy failed'])[-1]}")
        with np.load(out, allow_pickle=False) as file:
            return {name: file[str(i)] for i, name in enumerate(file["names"].tolist())}
