"""Exports: the files of each format, read as their readers do, answer as the model does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from ddp_mlp.catalog.activations import ACTIVATIONS
from ddp_mlp.checkpoint.model import Model
from ddp_mlp.core.ensembles.spread import Combined
from ddp_mlp.errors import DataError, OutputError, UsageError
from ddp_mlp.interop import forward
from ddp_mlp.interop.check import BOUND, compare, own_answers, relative, sample_rows
from ddp_mlp.interop.export import FORMATS, export_model, format_of
from ddp_mlp.interop.formats import c_units, onnx, onnx_units
from ddp_mlp.interop.portable import portable
from tests.interop.models import LOSS_TASKS, model, models
from tests.tiers import THOROUGH

#: Largest difference, as a part of the spread of the answers.
BOUNDS = {"float32": 1e-5, "float64": 1e-11}


def holds(trained: Model, names: tuple[str, ...] = FORMATS) -> list[str]:
    """Return the formats that hold a model, each of which must answer as it does."""
    x, done = sample_rows(trained, 40), []
    own, bound = own_answers(trained, x), BOUNDS[trained.parameters.dtype.name]
    for name in names:
        chosen, known = format_of(Path(), name), portable(trained)
        if chosen.objection(known):
            continue
        content = chosen.image(known, "m-1")
        other = chosen.answers(content, known, x)
        assert other.shape == own.shape, name
        # A step jumps where rounding decides; the rows are drawn, so that few can be there.
        jumps = "step" in (*trained.network.activations, trained.network.output)
        is_near = np.abs(own - other).max(axis=1) < 0.5 if jumps else np.ones(len(x), bool)
        assert is_near.mean() > 0.9, name
        assert relative(trained, own[is_near], other[is_near]) <= bound, (name, trained.config.model)
        if name == "onnx":
            again = onnx.network_outputs(known.about(), onnx.run(content, x, reference=True))
            assert relative(trained, own[is_near], again[is_near]) <= bound, trained.config.model
        done.append(name)
    return done


@settings(max_examples=25)
@given(models())
def test_a_random_model_answers_alike_in_every_format_without_a_compiler(trained: Model) -> None:
    assert {"onnx", "npz", "safetensors"} <= set(holds(trained, ("onnx", "npz", "safetensors", "sklearn")))


@settings(max_examples=5)
@given(models())
def test_a_random_model_answers_alike_in_c(trained: Model) -> None:
    assert holds(trained, ("c",)) == ["c"]


@THOROUGH
@settings(max_examples=300)
@given(models())
def test_many_random_models_answer_alike_in_every_format(trained: Model) -> None:
    assert {"onnx", "npz", "safetensors", "c"} <= set(holds(trained))


@pytest.mark.parametrize("dtype", BOUNDS)
def test_every_activation_and_every_output_answer_alike(dtype: str) -> None:
    names = sorted(ACTIVATIONS)
    for loss in LOSS_TASKS:
        held = holds(model(("tanh",), loss, dtype=dtype, filled=True), ("onnx", "npz", "safetensors", "sklearn"))
        assert len(held) == (3 if loss in {("mse", "binary"), ("hinge", "binary"), ("perceptron", "binary")} else 4)
    for name in names:
        assert len(holds(model((name, name), dtype=dtype, scaled=True), ("onnx", "npz", "safetensors"))) == 3
    for pair in zip(names[::3], names[1::3], names[2::3], strict=False):
        assert holds(model(pair, dtype=dtype, filled=True, scaled=True), ("c",)) == ["c"]
    assert holds(model((names[-1], names[0]), ("cross_entropy", "multiclass"), dtype=dtype), ("c",)) == ["c"]


def test_every_unit_of_the_catalog_is_known() -> None:
    for table in (forward, onnx_units, c_units):
        assert set(table.ACTIVATIONS) == set(ACTIVATIONS), table
        assert set(table.OUTPUTS) == {"linear", "sigmoid", "softmax", "step"}, table


@pytest.mark.parametrize("dtype", BOUNDS)
def test_offsets_far_beyond_the_spread_cost_no_digits(dtype: str) -> None:
    trained = model(("tanh", "relu"), dtype=dtype, scaled=True, offset=1e6)
    x = sample_rows(trained, 50)
    own = own_answers(trained, x)
    for name in FORMATS[:-1]:
        chosen, known = format_of(Path(), name), portable(trained)
        other = chosen.answers(chosen.image(known, "m"), known, x)
        assert relative(trained, own, other) <= (1e-5 if dtype == "float32" else 1e-8), name
    remark = format_of(Path(), "safetensors").remark(portable(trained))
    assert ("use .double()" in remark) == (dtype == "float32")


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_a_value_that_nothing_fills_never_becomes_an_answer(activation: str) -> None:
    for dtype in BOUNDS:
        trained = model((activation, activation), ("cross_entropy", "multiclass"), dtype=dtype)
        x = sample_rows(trained, 6)
        x[2, 1] = np.nan
        known = portable(trained)
        for name in ("onnx", "npz", "safetensors", *(("c",) if activation in {"maxout", "relu"} else ())):
            chosen = format_of(Path(), name)
            found = chosen.answers(chosen.image(known, "m"), known, x)
            assert np.isnan(found[2]).all(), (name, dtype)
            assert np.isfinite(np.delete(found, 2, axis=0)).all(), (name, dtype)
        labels = onnx.run(onnx.image(known, "m"), x)[0]
        assert labels[2] == np.iinfo(np.int64).min
        assert np.array_equal(np.delete(labels, 2), np.delete(own_answers(trained, np.nan_to_num(x)).argmax(axis=1), 2))


def test_a_model_that_a_format_cannot_hold_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    for trained, words in (
        (model(("elu",)), "no activation elu; formats that hold this model: onnx, safetensors, npz, c$"),
        (model(("relu", "tanh")), "one activation for all layers, not relu, tanh; formats"),
        (model((), ("hinge", "binary")), "no output unit linear for a binary task; formats"),
    ):
        with pytest.raises(UsageError, match=words):
            export_model(trained, tmp_path / "m.skops")
    wide = model((), n_features=2**15 + 1)
    with pytest.raises(UsageError, match=r"a C header is for networks of up to .*; formats that hold this model: onnx"):
        export_model(wide, tmp_path / "m.h")
    with pytest.raises(UsageError, match=r"which format is this\? Give one, or name the file \*.onnx \(onnx\)"):
        export_model(wide, tmp_path / "m.pb")
    with pytest.raises(UsageError, match="format = 'pickle'; allowed are onnx"):
        export_model(wide, tmp_path / "m.npz", "pickle")
    with pytest.raises(OutputError):
        export_model(model(), tmp_path, "npz")
    assert list(tmp_path.iterdir()) == []


def test_rounding_that_large_weights_magnify_is_no_error_but_a_wrong_weight_is(tmp_path: Path) -> None:
    trained = model(("tanh", "tanh"), ("cross_entropy", "multiclass"), dtype="float32", offset=0)
    trained.parameters[:] *= 12
    for name in ("onnx", "npz", "safetensors", "c"):
        done = export_model(trained, tmp_path / f"m.{name}", name, check=True).checked
        assert done is not None
        assert done.difference <= done.bound
    assert done.bound > BOUND
    changed = replace(trained, parameters=trained.parameters.copy())
    changed.parameters[3] *= 1.1
    with pytest.raises(DataError, match="differ from those of the model"):
        compare(trained, lambda x: Combined(forward.answers(portable(changed), x)))


def test_a_network_of_several_labels_has_no_format(tmp_path: Path) -> None:
    trained = model((), ("cross_entropy", "multiclass"))
    odd = replace(trained, network=replace(trained.network, output="sigmoid"))
    with pytest.raises(UsageError, match="several labels"):
        export_model(odd, tmp_path / "m.onnx")


def test_a_check_that_fails_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.npz"
    path.write_bytes(b"before")
    done = export_model(model(scaled=True), path, check=True)
    assert done.checked is not None
    assert done.checked.difference < 1e-12
    assert done.checked.bound == BOUND
    before = path.read_bytes()
    wrong = forward.ACTIVATIONS | {"relu": lambda a, p: a}
    monkeypatch.setattr(forward, "ACTIVATIONS", wrong)
    with pytest.raises(DataError, match=r"differ from those of the model by .* of their spread, more than 1e-05"):
        export_model(model(), path, check=True)
    assert path.read_bytes() == before


def test_a_missing_library_is_named_with_what_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for name, module in (("onnx", "onnx"), ("safetensors", "safetensors.numpy"), ("sklearn", "sklearn.pipeline")):
        with monkeypatch.context() as patched:
            patched.setitem(sys.modules, module, None)
            with pytest.raises(UsageError, match=r'this needs \w+ .*pip install "ddp-mlp\[export\]"'):
                export_model(model(), tmp_path / "m", name)
    assert list(tmp_path.iterdir()) == []


def test_the_bound_is_that_of_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "exports.md").read_text()
    assert f"{BOUND:g}".replace("e-0", "e-") in page
