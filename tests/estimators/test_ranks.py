"""Estimators under a launcher: the bits of one process, and errors on all ranks."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.runs import run
from tests.tiers import THOROUGH

_SCRIPT = """
import hashlib, os, warnings
import numpy as np
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
import ddp_mlp
from ddp_mlp import MLPClassifier, MLPRegressor

warnings.simplefilter("ignore")
rank, size = (int(os.environ.get(name, default)) for name, default in (("PMI_RANK", "0"), ("PMI_SIZE", "1")))
X = np.random.default_rng(0).normal(size=(200, 5))
y, Y = np.where(X[:, 0] * X[:, 1] > 0, "a", "b"), X[:, :2] ** 2
told = hashlib.sha256()


def note(net):
    for array in (*net.coefs_, *net.intercepts_):
        told.update(array.tobytes())


for solver in ("adam", "sgd", "lbfgs"):
    note(MLPClassifier((9,), solver=solver, random_state=1, max_iter=6).fit(X, y))
    note(MLPRegressor(hidden_layer_sizes=(9, 4), solver=solver, random_state=1, max_iter=6).fit(X, Y, np.arange(200.0)))
note(MLPClassifier((9,), random_state=1, max_iter=12, early_stopping=True, n_iter_no_change=2).fit(X, y))
net = MLPClassifier((9,), random_state=1)
for part in range(3):
    note(net.partial_fit(X[part::3], y[part::3], classes=["a", "b"]))
pipe = make_pipeline(StandardScaler(), MLPClassifier((5,), max_iter=3, random_state=0))
note(GridSearchCV(pipe, {"mlpclassifier__alpha": [1e-4, 1.0]}, cv=2).fit(X, y).best_estimator_[-1])
net = MLPClassifier((3,), max_iter=2).fit(X, y)  # draws of rank 0 alone decide
seen = [net.weights_sha256 for net in [net.model_]]
for spoilt, words in (
    ((X + (rank == 1) * 1e-3, y), "does not match rank 0"),
    ((X + (rank == 1) * np.nan if rank == 1 else X, y), "contains NaN"),
    ((X[rank == 1 :], y[rank == 1 :]), "does not match rank 0"),
):
    try:
        MLPClassifier((3,), max_iter=1).fit(*spoilt)
    except ddp_mlp.DdpMlpError as error:
        assert words in str(error), error
    else:
        assert size == 1
try:
    MLPClassifier((3,), max_iter=1, alpha=1 + rank).fit(X, y)
except ddp_mlp.LaunchError:
    pass
else:
    assert size == 1
if rank == 0:
    net.predict(X)  # of this rank alone
print(f"{told.hexdigest()} {seen if size > 1 else 0}\\n", end="", flush=True)
"""


@THOROUGH
@pytest.mark.mpi
def test_a_script_gives_the_same_bits_alone_and_on_three_ranks(tmp_path: Path) -> None:
    (tmp_path / "s.py").write_text(_SCRIPT)
    alone = run([sys.executable, "s.py"], tmp_path)
    several = run([str(Path(sys.executable).with_name("mpiexec")), "-n", "3", sys.executable, "s.py"], tmp_path)
    assert alone.code == 0, alone.err
    assert several.code == 0, several.err
    assert {line.split()[0] for line in several.out.splitlines()} == {alone.out.split()[0]}
    assert len(set(several.out.splitlines())) == 1
