"""Three hundred random models move from program to program, and answer everywhere as they do here."""

from __future__ import annotations

import ctypes
import itertools
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier, MLPRegressor

from ddp_mlp import from_sklearn
from ddp_mlp.catalog.activations import ACTIVATIONS
from ddp_mlp.checkpoint.model import Model
from ddp_mlp.interop.check import BOUND, own_answers, relative, sample_rows
from ddp_mlp.interop.export import format_of
from ddp_mlp.interop.formats import c_header
from ddp_mlp.interop.importing import import_file
from ddp_mlp.interop.incoming import Naming
from ddp_mlp.interop.portable import portable
from tests.compilers import need
from tests.interop.models import LOSS_TASKS, model
from tests.tiers import THOROUGH

onnx = pytest.importorskip("ddp_mlp.interop.formats.onnx")
pytest.importorskip("onnxruntime")

N_MODELS, N_ROWS, N_TOGETHER = 300, 64, 50
_KINDS = ("none", "standard", "minmax")


def random_models(n: int) -> Iterator[Model]:
    """Yield models of every activation with every output, which preprocessing, widths and dtypes go round."""
    rng = np.random.default_rng(0)
    pairs = itertools.cycle(itertools.product(sorted(ACTIVATIONS), LOSS_TASKS))
    for seed, (activation, loss) in zip(range(n), pairs, strict=False):
        tied = loss == ("mse", "regression") and activation != "maxout" and bool(rng.integers(2))
        more = rng.choice(sorted(set(ACTIVATIONS) - {"maxout"}), size=int(rng.integers(3))).tolist()
        filled, scaled = (bool(flag) for flag in rng.integers(2, size=2))
        yield model(
            (activation,) if tied else (activation, *more), loss, tied=tied, dtype=("float32", "float64")[seed % 2],
            kind=_KINDS[int(rng.integers(3))], filled=filled, scaled=scaled and loss[1] == "regression", seed=seed,
            n_features=int(rng.integers(1, 9)), n_outputs=int(rng.integers(2, 6)) if loss[1] == "multiclass" else 3,
        )  # fmt: skip


def is_near(trained: Model, own: Any, other: Any) -> bool:
    """Tell whether answers are equal but for rounding, which a step turns into another answer for a row or two."""
    if own.shape != other.shape:
        return False
    steps = "step" in (*trained.network.activations, trained.network.output)
    by_size = np.argsort(np.abs(own - other).max(axis=1))  # NaN comes last, as the largest
    kept = by_size[: len(own) - (2 if steps and trained.parameters.dtype == np.float32 else 0)]
    return relative(trained, own[kept], other[kept]) <= BOUND


def in_c(models: list[Model], rows: list[Any], folder: Path) -> list[Any]:
    """Return the answers of models, all compiled into one library."""
    names = [f"model_{i}" for i in range(len(models))]
    for name, trained in zip(names, models, strict=True):
        (folder / f"{name}.h").write_bytes(c_header.image(portable(trained), name))
    lines = [f'#define {name.upper()}_IMPLEMENTATION\n#include "{name}.h"' for name in names]
    (folder / "all.c").write_text("\n".join(lines))
    command = [need("gcc"), "-std=c99", "-O0", "-shared", "-fPIC", "all.c", "-o", "all.so", "-lm"]
    subprocess.run(command, cwd=folder, check=True, timeout=120)
    library, numbers = ctypes.CDLL(str(folder / "all.so")), ctypes.POINTER(ctypes.c_double)
    found = []
    for name, trained, x in zip(names, models, rows, strict=True):
        predict, answers = getattr(library, f"{name}_predict"), np.zeros((len(x), trained.network.layout.sizes[-1]))
        for row, answer in zip(np.ascontiguousarray(x), answers, strict=True):
            predict(row.ctypes.data_as(numbers), answer.ctypes.data_as(numbers))
        found.append(answers)
    return found


@THOROUGH
def test_models_leave_and_come_back(tmp_path: Path) -> None:
    made = list(random_models(N_MODELS))
    rows = [sample_rows(trained, N_ROWS) for trained in made]
    owns = [own_answers(trained, x) for trained, x in zip(made, rows, strict=True)]
    assert {name for trained in made for name in trained.network.activations} == set(ACTIVATIONS)
    far: list[tuple[int, str]] = []
    for i, (trained, x, own) in enumerate(zip(made, rows, owns, strict=True)):
        known = portable(trained)
        if not is_near(trained, own, onnx.answers_of_file(onnx.image(known, "m"), known, x)):
            far.append((i, "onnx"))
        fill = trained.normalization.fill
        plain = x if fill is None else np.where(np.isnan(x), fill, x)
        for name, given in (("npz", x), ("safetensors", plain)):
            chosen = format_of(Path(), name)
            path = tmp_path / f"m{chosen.suffix}"
            path.write_bytes(chosen.image(known, "m"))
            if not is_near(trained, own, own_answers(import_file(path, Naming()), given)):
                far.append((i, name))
    for start in range(0, N_MODELS, N_TOGETHER):
        part = slice(start, start + N_TOGETHER)
        folder = tmp_path / str(start)
        folder.mkdir()
        compiled = in_c(made[part], rows[part], folder)
        far += [(start + i, "c") for i, answers in enumerate(compiled)
                if not is_near(made[start + i], owns[start + i], answers)]  # fmt: skip
    assert far == []


@THOROUGH
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_models_of_scikit_learn_go_on_to_onnx() -> None:
    rng, far = np.random.default_rng(1), []
    for i, (activation, kind) in enumerate(itertools.product(("identity", "logistic", "tanh", "relu"), range(4))):
        for dtype in ("float32", "float64"):
            x = rng.normal(size=(N_ROWS, 3)).astype(dtype)
            labels = rng.integers(0, 2 + kind % 2, N_ROWS)
            y = [labels, np.array(["b", "a", "é"])[labels], rng.normal(size=N_ROWS), rng.normal(size=(N_ROWS, 2))][kind]
            kinds = {True: MLPClassifier, False: MLPRegressor}
            made = kinds[kind < 2](hidden_layer_sizes=(5, 4), activation=activation, max_iter=1)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                made.fit(x, y)
            made.coefs_ = [rng.normal(size=c.shape).astype(c.dtype) for c in made.coefs_]
            wanted = made.predict_proba(x) if kind < 2 else made.predict(x).reshape(N_ROWS, -1)
            here = from_sklearn(made)
            answers = here.predict_proba(x) if kind < 2 else here.predict(x).reshape(N_ROWS, -1)
            known = portable(here.trained)
            there = onnx.run(onnx.image(known, "m"), x.astype(np.float64))
            last = there[-1].reshape(N_ROWS, -1)
            scale = np.maximum(np.abs(wanted), 1)
            if not all((np.abs(found - wanted) / scale).max() <= BOUND for found in (answers, last)):
                far.append((i, dtype, "answers"))
            if kind < 2 and not (list(there[0]) == list(made.predict(x)) == list(here.predict(x))):
                far.append((i, dtype, "labels"))
    assert far == []
