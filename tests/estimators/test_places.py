"""Estimators and models where people use them: a notebook, threads, a pool of processes, joblib."""

from __future__ import annotations

import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.model_selection import cross_val_score

import ddp_mlp
from ddp_mlp import MLPClassifier
from tests.tiers import THOROUGH

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

_CELLS = (
    "import numpy as np, ddp_mlp\nX = np.random.default_rng(0).normal(size=(60, 3))",
    "result = ddp_mlp.train({'model': {'hidden': [4]}, 'train': {'epochs': 2}}, data=(X, X[:, 0]))\nresult.status",
    "net = ddp_mlp.MLPClassifier((4,), solver='lbfgs', random_state=0).fit(X, X[:, 0] > 0)\nnet.score(X, X[:, 0] > 0)",
    "net",
)


def table() -> tuple[Any, Any]:
    return make_classification(80, 4, random_state=0)


def fit(seed: int) -> bytes:
    """Return the first weight of a fit, whoever does it."""
    weight: np.ndarray[Any, Any] = MLPClassifier((4,), random_state=seed, max_iter=4).fit(*table()).coefs_[0]
    return weight.tobytes()


def test_threads_fit_and_ask_one_model_at_once() -> None:
    alone = [fit(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(fit, range(4))) == alone
    X, y = table()
    net = MLPClassifier((4,), random_state=0, max_iter=4).fit(X, y)
    wanted, wrong = net.predict_proba(X), list[int]()

    def ask() -> None:
        wrong.extend(
            i for i in range(200) if (net.predict_proba(X[i % 80 : i % 80 + 3]) != wanted[i % 80 : i % 80 + 3]).any()
        )

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_processes_of_a_pool_fit_and_get_models(tmp_path: Path) -> None:
    X, y = table()
    net = MLPClassifier((4,), random_state=1, max_iter=4).fit(X, y)
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        assert pool.submit(fit, 1).result(120) == fit(1)
        assert (pool.submit(net.model_.predict, X).result(120) == net.model_.predict(X)).all()
    joblib.dump(net, tmp_path / "net.joblib")
    mapped = joblib.load(tmp_path / "net.joblib", mmap_mode="r")  # arrays that nobody may write to
    assert (mapped.predict_proba(X) == net.predict_proba(X)).all()


@THOROUGH
def test_joblib_cross_validates_in_processes() -> None:
    X, y = table()
    net = MLPClassifier((4,), random_state=1, max_iter=4)
    assert (cross_val_score(net, X, y, cv=2, n_jobs=2) == cross_val_score(net, X, y, cv=2)).all()


@THOROUGH
def test_a_notebook_trains_with_a_bar(tmp_path: Path) -> None:
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in _CELLS])
    nbclient.NotebookClient(book, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [[output.get("data", {}) for output in cell.outputs] for cell in book.cells]
    assert any("<progress" in data.get("text/html", "") for data in shown[1])
    assert shown[1][-1]["text/plain"] == "'finished'"
    assert float(shown[2][-1]["text/plain"].strip("np.float64()")) > 0.9
    assert "MLPClassifier" in shown[3][-1]["text/html"]
    assert ddp_mlp.__doc__
