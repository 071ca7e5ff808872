"""``ddp-mlp export``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import ddp_mlp
from tests.interop.models import model
from tests.runs import ddp_mlp as command


def test_a_model_leaves_checked_and_is_not_replaced_unasked(tmp_path: Path) -> None:
    trained = ddp_mlp.Model(model(("tanh",), scaled=True, filled=True))
    trained.save(tmp_path / "m.h5")
    done = command("export", "m.h5", "--out", "m.onnx", "--check", cwd=tmp_path)
    assert "m.onnx: m.h5 as onnx" in done.err
    assert "largest difference from predict: " in done.err
    x = np.random.default_rng(0).normal(3, 2, (20, 4))
    (found,) = onnxruntime.InferenceSession(tmp_path / "m.onnx").run(None, {"features": x})
    assert np.allclose(found, trained.predict(x), rtol=1e-12)
    again = command("export", "m.h5", "--out", "m.onnx", cwd=tmp_path)
    assert (again.code, len(again.error_lines)) == (73, 1)
    assert "exists; choose another name or give --force" in again.err
    done = command("export", "m.h5", "--out", "m.onnx", "--format", "safetensors", "--force", cwd=tmp_path)
    assert "warning: missing values are yours to fill" in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--out", "m.bin"), 2, "which format is this?"),
        (("--out", "no/m.npz"), 73, "there is no directory"),
        (("--out", "m.skops"), 2, "scikit-learn's MLP has no activation elu; formats that hold this model"),
        (("--out", "m.h", "--format", "pickle"), 2, "'pickle' is not one of"),
    ],
)
def test_mistakes_are_one_line(arguments: tuple[str, ...], code: int, words: str, tmp_path: Path) -> None:
    ddp_mlp.Model(model(("elu",))).save(tmp_path / "m.h5")
    done = command("export", "m.h5", *arguments, cwd=tmp_path)
    assert (done.code, len(done.error_lines)) == (code, 1)
    assert words in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["m.h5"]
    done = command("export", "nothing.h5", "--out", "m.npz", cwd=tmp_path)
    assert done.code == 66


def test_python_says_what_is_left_to_do(tmp_path: Path) -> None:
    trained = ddp_mlp.Model(model(("relu",), filled=True))
    assert trained.export(tmp_path / "m.npz", check=True) == ""
    assert "yours to fill" in trained.export(tmp_path / "m", "safetensors")
    with pytest.raises(ValueError, match="formats that hold this model"):
        ddp_mlp.Model(model(("elu",))).export(tmp_path / "m.skops")
