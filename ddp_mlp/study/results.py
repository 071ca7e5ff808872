"""The results of a study in one file, ``study.h5``: a column for each thing that is known of its trials.

Datasets of one value a trial, in the order of their numbers: ``name``, ``status`` and other texts; below
``parameters`` the values that were tried, as TOML; below ``results`` numbers, NaN where a trial has none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from ddp_mlp.checkpoint.sealed_hdf5 import make_image
from ddp_mlp.data.hdf5.guard import load_h5py
from ddp_mlp.durable import Check, unchecked, write_whole
from ddp_mlp.study.study import Summary

RESULTS = "study.h5"
FORMAT, FORMAT_VERSION = "ddp-mlp-study", 1
_TEXTS = ("name", "status", "reason", "run_dir", "loss_unit", "weights_sha256", "model_sha256")
#: Seconds between two writes of files about all trials, which cost more the more trials there are.
_EVERY_S = 1.0


def write_results(path: Path, summaries: Sequence[Summary]) -> None:
    """Write the trials that are over.

    Raises
    ------
    StorageError, OutputError
        If they cannot be written.
    """

    def fill(file: Any) -> None:
        text = load_h5py().string_dtype()
        file.attrs["format"], file.attrs["format_version"] = FORMAT, FORMAT_VERSION
        for name in _TEXTS:
            file.create_dataset(name, data=[str(each.get(name) or "") for each in summaries], dtype=text)
        for key in _keys(each["parameters"] for each in summaries):
            values = [each["parameters"].get(key, "") for each in summaries]
            file.create_dataset(f"parameters/{key}", data=values, dtype=text)
        for key in _keys({k: v for k, v in each.items() if _is_number(v)} for each in summaries):
            values = [each.get(key) for each in summaries]
            numbers = np.array([v if _is_number(v) else np.nan for v in values], np.float64)
            file.create_dataset(f"results/{key}", data=numbers)

    write_whole(path, make_image(fill))


def _keys(tables: Any) -> list[str]:
    """Return the keys of all tables, in the order in which they first come."""
    return list(dict.fromkeys(key for table in tables for key in table))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class Bookkeeper:
    """Has files about all trials written, now and then and at the end."""

    def __init__(
        self,
        directory: Path,
        on_result: Callable[[list[Summary]], None],
        whole: Callable[[list[Summary]], list[Summary]] = list,
        check: Check = unchecked,
    ) -> None:
        """`whole` adds to the summaries of a part of a study those of its other trials; `check` is asked first."""
        self._directory, self._on_result, self._whole, self._check = directory, on_result, whole, check
        self._newest: list[Summary] = []
        self._is_behind = False
        self._at = -_EVERY_S

    def __call__(self, summaries: list[Summary]) -> None:
        """Take the summaries of the trials that are over.

        Raises
        ------
        DdpMlpError
            If a file cannot be written, or a trial does not fit the others.
        """
        self._newest, self._is_behind = summaries, True
        if monotonic() - self._at >= _EVERY_S:
            self.catch_up()

    def catch_up(self) -> None:
        """Write the newest results, unless they are written; raises as a call does."""
        if self._is_behind:
            self._is_behind = False
            self._check()
            summaries = self._whole(self._newest)
            self._on_result(summaries)
            write_results(self._directory / RESULTS, summaries)
            self._at = monotonic()
