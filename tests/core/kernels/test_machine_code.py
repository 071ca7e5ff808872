"""Kernels that Python calls: compiled for the types in their annotations, and never by a call."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba import types

from ddp_mlp.catalog.dtypes import DTYPES
from ddp_mlp.core.kernels import compiling, entry_points
from ddp_mlp.core.kernels.array_types import signature
from ddp_mlp.core.kernels.entry_points import ENTRY_POINTS, EntryPoint, evaluate_blocks, shuffle
from ddp_mlp.core.kernels.evaluation_sums import LossChoice
from ddp_mlp.core.kernels.machine_code import are_ready
from ddp_mlp.core.kernels.network.layers import Model
from ddp_mlp.core.kernels.network.rows import Rows
from ddp_mlp.core.kernels.pointed import Pointed
from ddp_mlp.core.kernels.step.arena import Arena
from tests.building import compilations
from tests.runs import ddp_mlp


def test_types_are_those_of_the_annotations() -> None:
    assert signature(compiling.shuffle, "float32") == (types.int64[::1], types.uint64)
    for dtype, kind in (("float32", types.float32), ("float64", types.float64)):
        model, rows, output, space, *_ = signature(compiling.predict_blocks, dtype)
        assert tuple(model.types) == (types.int64[:, ::1], kind[:, ::1], kind[::1])
        assert tuple(rows.types)[:3] == (types.uint8[:, ::1], types.int64, kind[::1])
        assert (output, space) == (types.int64, kind[::1])
        assert signature(compiling.work, dtype)[:3] == (types.int64[::1], kind[::1], types.int64)
        found = Pointed(Arena, dtype).fields
        assert (found["own"], found["own_tails"]) == (kind[:, ::1], types.float64[:, :])
        assert are_ready(dtype)


def test_every_kernel_that_python_calls_has_machine_code_of_every_dtype() -> None:
    for dtype in DTYPES:
        assert are_ready(dtype)
    assert all(value in ENTRY_POINTS.values() for value in vars(entry_points).values() if isinstance(value, EntryPoint))


@pytest.mark.parametrize(
    "ids",
    [
        np.arange(10, dtype=np.int32),
        np.arange(10.0),
        np.arange(20)[::2],
        np.arange(10).reshape(5, 2),
        np.frombuffer(bytes(80), np.int64),
        list(range(10)),
        None,
    ],
    ids=["int32", "float64", "gaps", "2-D", "read-only", "list", "none"],
)
def test_what_does_not_fit_is_an_error(ids: Any) -> None:
    with compilations() as compiled, pytest.raises(TypeError):
        shuffle(ids, np.uint64(1))
    assert compiled == []


def test_arguments_that_are_forgotten_are_an_error() -> None:
    for kernel in ENTRY_POINTS.values():
        with pytest.raises(TypeError):
            kernel()


def test_empty_arrays_fit_whatever_they_were_cut_from() -> None:
    for ids in (np.zeros(0, np.int64), np.arange(5)[5:], np.arange(5)[::2][:0], np.zeros((3, 0), np.int64).reshape(0)):
        shuffle(ids, np.uint64(1))


def test_evaluation_takes_the_dtype_of_training_only() -> None:
    layers = np.zeros((1, 14), np.int64)
    one, two, rows = np.zeros(4), np.zeros((4, 1)), np.zeros((4, 8), np.uint8)
    model, samples = Model(layers, two.astype("f4"), one), Rows(rows, 0, one, one, two, one)
    mixed = (model, samples, LossChoice(0, 0.0, 0.0), one, np.arange(4), 0, 0, two, two)
    with compilations() as compiled, pytest.raises(TypeError, match="no machine code of evaluate_blocks"):
        evaluate_blocks(*mixed)
    assert compiled == []


_LOADED = """
import sys
from ddp_mlp.__main__ import main
try:
    main()
finally:
    heavy = {"numba", "scipy", "sklearn", "pandas", "pyarrow", "rich", "asyncio", "yaml", "unittest"}
    print("loaded:", *heavy & set(sys.modules), file=sys.stderr)
"""


def test_no_way_to_start_python_makes_a_start_compile(tmp_path: Path) -> None:
    """Without docstrings constants have other numbers, so that bytecode differs; a cache may not go by it."""
    assert ddp_mlp("data", "make", "xor", "--out", "xor.h5", cwd=tmp_path).code == 0
    (tmp_path / "c.toml").write_text('[data]\ntrain = "xor.h5"\n[train]\nepochs = 2\n')
    told = []
    for number, options in enumerate((["-OO"], ["-O", "-B"], ["-X", "utf8", "-P"])):
        command = [sys.executable, *options, "-c", _LOADED, "train", "c.toml", "--out", f"run-{number}", "--json"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stderr.splitlines()[-1] == "loaded:"  # without Numba nothing is compiled, and a start is quick
        assert "compiling" not in done.stderr
        told.append(done.stdout.partition('"weights_sha256": ')[2][:66])
    assert len(set(told)) == 1


def test_kernels_cannot_be_done_without_the_compiler(tmp_path: Path) -> None:
    assert ddp_mlp("data", "make", "xor", "--out", "xor.h5", cwd=tmp_path).code == 0
    (tmp_path / "c.toml").write_text('[data]\ntrain = "xor.h5"\n')
    done = ddp_mlp("train", "c.toml", cwd=tmp_path, NUMBA_DISABLE_JIT="1")
    assert (done.code, len(done.error_lines)) == (2, 1), done.err
    assert "NUMBA_DISABLE_JIT" in done.error_lines[0]
    assert not (tmp_path / "runs").exists()
