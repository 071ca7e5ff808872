"""The lines that a user is promised, as written: in this process, and on three ranks."""

from __future__ import annotations

import doctest
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.api.test_training import write
from tests.runs import run

LINES = """
import ddp_mlp

config = ddp_mlp.Config.from_toml("c.toml", {"optimizer.learning_rate": 0.01})      # or Config(data={...}, model={...}) with the keys of the file
result = ddp_mlp.train(config, out="runs/a", threads=2)      # collective: the same script under python and under mpiexec -n 4
result.history["valid_loss"], result.model, result.summary, result.weights_sha256
for report in ddp_mlp.training(config, data=(X, y), valid=(Xv, yv)):                # arrays and DataFrames; a generator: stop when you like
    ...
model = ddp_mlp.load_model("runs/a")
model.predict(X); model.predict_proba(X); model.evaluate(X, y); model.export("m.onnx"); model.schema
from ddp_mlp import MLPClassifier, MLPRegressor              # scikit-learn's parameter and attribute names; fit is collective
"""  # noqa: E501 - as written
#: What a session of Python prints after a line.
_SAID = {
    "result.history": "([...], <Model: binary, 4 -> 6 -> 1, after epoch 2>, {...}, '...')",
    "    ...": "Ellipsis\nEllipsis\nEllipsis",  # the first step, then each epoch
    "model.predict(X)": "array([...])\narray([[...]], dtype=float32)\n{...}\n''\nSchema(...)",
}
_BEFORE = """
import numpy as np
X = np.random.default_rng(0).normal(size=(200, 4))
y = (X[:, 0] * X[:, 1] > 0).astype(int)
Xv, yv = X[:50], y[:50]
"""
_AFTER = """
net = MLPClassifier((4,), solver="lbfgs", random_state=0).fit(X, y)
regression = MLPRegressor(max_iter=300, tol=0.1).fit(X, y)
print(f"{result.weights_sha256} {net.coefs_[0].sum()} {regression.n_iter_ > 1}\\n", end="", flush=True)  # one write
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pytest.importorskip("onnx")
    x = np.random.default_rng(0).normal(size=(200, 4))
    write(tmp_path / "m.h5", x=x, y=(x[:, 0] * x[:, 1] > 0).astype(int))
    (tmp_path / "c.toml").write_text("[data]\ntrain = 'm.h5'\n[model]\nhidden = [6]\n[train]\nepochs = 2\n")
    (tmp_path / "s.py").write_text(_BEFORE + LINES + _AFTER)
    return tmp_path


def test_the_lines_run_as_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    known: dict[str, object] = {}
    exec(_BEFORE + LINES, known)  # noqa: S102 - the lines above
    assert Path("m.onnx").stat().st_size > 100
    assert known["model"].predict(known["X"]).shape == (200,)  # type: ignore[attr-defined]


def test_the_lines_are_a_doctest(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As they are pasted into a session of Python, which prints the value of each."""
    monkeypatch.chdir(folder)
    known: dict[str, object] = {}
    exec(_BEFORE, known)  # noqa: S102 - the lines above
    text = ""
    for line in LINES.strip().splitlines():
        text += f"... {line}\n" if line.startswith("    ") else f">>> {line}\n"
        text += next((f"{said}\n" for start, said in _SAID.items() if line.startswith(start)), "")
    case = doctest.DocTestParser().get_doctest(text, known, "the lines", None, 0)
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    assert runner.run(case, out=said.append) == (0, len(case.examples)), "".join(said)
    assert len(case.examples) == 8


@pytest.mark.mpi
def test_the_lines_run_on_three_ranks(folder: Path) -> None:
    alone = run([sys.executable, "s.py"], folder)
    assert alone.code == 0, alone.err
    several = run([str(Path(sys.executable).with_name("mpiexec")), "-n", "3", sys.executable, "s.py"], folder)
    assert "already holds a run" in several.err
    (folder / "runs" / "a").rename(folder / "first")
    (folder / "m.onnx").unlink()
    several = run([str(Path(sys.executable).with_name("mpiexec")), "-n", "3", sys.executable, "s.py"], folder)
    assert several.code == 0, several.err
    assert several.out.split() == alone.out.split() * 3
