"""An ensemble as one graph of ONNX: its mean and its spread are those of predict."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ddp_mlp.checkpoint.ensemble import Ensemble
from ddp_mlp.checkpoint.model import Model
from ddp_mlp.core.ensembles.spread import DISAGREEMENT, Combined, combine
from ddp_mlp.errors import DataError, UsageError
from ddp_mlp.interop.check import compare, own_answers, relative, sample_rows
from ddp_mlp.interop.export import FORMATS, export_model, format_of
from ddp_mlp.interop.formats import onnx_together
from ddp_mlp.interop.formats.onnx import run
from ddp_mlp.interop.portable import portable
from tests.interop.models import LOSS_TASKS, model


def ensemble_of(first: Model, *others: Model, size: int = 3) -> Ensemble:
    """Return an ensemble of networks that differ in their weights."""
    rng = np.random.default_rng(1)
    drawn = (first.parameters * rng.normal(1, 0.3, first.parameters.size) for _ in range(size - 1 - len(others)))
    more = [replace(first, parameters=each.astype(first.parameters.dtype)) for each in drawn]
    names = tuple(f"member-{i + 1}" for i in range(size))
    return Ensemble(Path("e"), names, (first, *others, *more))


def expected(ensemble: Ensemble, x: Any) -> Combined:
    return combine([own_answers(each, x) for each in ensemble.members], ensemble.schema.task)


def image(ensemble: Ensemble) -> bytes:
    return onnx_together.image([portable(each) for each in ensemble.members])


CASES = [
    {"loss": pair, "dtype": dtype, "filled": filled, "scaled": filled and pair[1] == "regression"}
    for pair in LOSS_TASKS
    if pair[0] not in ("hinge", "perceptron") and pair != ("mse", "binary")
    for dtype in ("float32", "float64")
    for filled in (False, True)
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_graph_answers_as_predict(tmp_path: Path, case: dict[str, Any]) -> None:
    ensemble = ensemble_of(model(("tanh", "elu"), **case))
    x, bound = sample_rows(ensemble.members[0], 60), 1e-5 if case["dtype"] == "float32" else 1e-11
    own, together = expected(ensemble, x), onnx_together.FORMAT.together
    assert together is not None
    found = together.answers(image(ensemble), x)
    assert list(found.spread) == list(own.spread)
    assert relative(ensemble.members[0], own.outputs, found.outputs) <= bound
    for name in own.spread:
        scale = max(1.0, own.spread[name].max())
        assert abs(own.spread[name] - found.spread[name]).max() / scale <= (0 if name == DISAGREEMENT else 20 * bound)
    done = export_model(ensemble, tmp_path / "e.onnx", check=True)
    assert done.checked is not None
    assert done.checked.difference <= done.checked.bound
    assert (tmp_path / "e.onnx").read_bytes() == image(ensemble)


def test_members_of_other_shapes_dtypes_and_preprocessing_are_one_graph() -> None:
    first = model(("relu",), scaled=True)
    others = model(("tanh", "maxout"), scaled=True, seed=3), model((), dtype="float32", filled=True, seed=5)
    ensemble = ensemble_of(first, *others)
    x = sample_rows(first, 40)
    label_free = run(image(ensemble), x)
    own = expected(ensemble, x)
    assert np.allclose(label_free[0], own.outputs, rtol=1e-6)
    assert np.allclose(label_free[1], own.spread["std"], rtol=1e-5)


def test_the_evaluator_of_onnx_and_its_runtime_agree_on_names_and_rows_without_an_answer() -> None:
    schema = {"class_names": ("no", "yes"), "feature_names": tuple("abcd")}
    ensemble = ensemble_of(model(loss=("binary_cross_entropy", "binary"), **schema))
    x = sample_rows(ensemble.members[0], 20)
    x[3, 1] = np.nan
    for reference in (False, True):
        label, probabilities, entropy, disagreement = run(image(ensemble), x, reference=reference)
        assert probabilities.shape == (20, 2)
        assert np.isnan([probabilities[3, 0], entropy[3, 0], disagreement[3, 0]]).all()
        assert label[3] == ""
        own = expected(ensemble, np.delete(x, 3, axis=0))
        chosen = np.where(own.outputs[:, 0] > 0.5, "yes", "no")
        assert np.delete(label, 3).tolist() == chosen.tolist()
        assert np.allclose(np.delete(entropy, 3, axis=0), own.spread["entropy"], rtol=1e-12)


def test_other_formats_say_what_to_take(tmp_path: Path) -> None:
    ensemble = ensemble_of(model())
    for name in FORMATS:
        if name != "onnx":
            path = tmp_path / f"e{format_of(Path('-'), name).suffix}"
            with pytest.raises(
                UsageError, match=r"ensemble of 3; take onnx, or export each member, such as e/member-1"
            ):
                export_model(ensemble, path)
            assert not path.exists()


def test_a_graph_of_other_answers_is_not_written() -> None:
    ensemble = ensemble_of(model())
    changed = ensemble_of(model(seed=4))
    with pytest.raises(DataError, match="differ from those of the model"):
        compare(ensemble, lambda x: expected(changed, x))
    with pytest.raises(DataError, match="shape"):
        compare(ensemble, lambda x: Combined(own_answers(ensemble.members[0], x)))
