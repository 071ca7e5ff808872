"""Imports: networks of PyTorch and scikit-learn answer here as there, and what cannot come is told."""

from __future__ import annotations

import io
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

import ddp_mlp
from ddp_mlp import from_sklearn, from_torch, import_model
from ddp_mlp.checkpoint.model import Model as Trained
from ddp_mlp.errors import DataError, MissingInputError, UsageError
from ddp_mlp.interop.check import own_answers, relative, sample_rows
from ddp_mlp.interop.export import format_of
from ddp_mlp.interop.formats import onnx
from ddp_mlp.interop.importing import import_file
from ddp_mlp.interop.incoming import Naming
from ddp_mlp.interop.portable import portable
from tests.interop.models import model, models
from tests.runs import ddp_mlp as command


def file_of(trained: Trained, name: str, folder: Path) -> Path:
    chosen = format_of(Path(), name)
    path = folder / f"m{chosen.suffix}"
    path.write_bytes(chosen.image(portable(trained), "m"))
    return path


@settings(max_examples=15)
@given(models())
def test_what_leaves_comes_back(tmp_path_factory: pytest.TempPathFactory, trained: Trained) -> None:
    folder = tmp_path_factory.mktemp("back")
    x = sample_rows(trained, 40)
    own = own_answers(trained, x)
    again = import_file(file_of(trained, "npz", folder), Naming())
    assert np.array_equal(own_answers(again, x), own, equal_nan=True) or trained.network.layout.tied
    assert again.schema == trained.schema
    for name in ("npz", "safetensors"):
        again = import_file(file_of(trained, name, folder), Naming())
        if "step" not in (*trained.network.activations, trained.network.output):
            given_x = x if name == "npz" or trained.normalization.fill is None else filled(trained, x)
            assert relative(trained, own, own_answers(again, given_x)) <= 1e-5, name


def filled(trained: Trained, x: Any) -> Any:
    return np.where(np.isnan(x), trained.normalization.fill, x)


class Tensor:
    """Stands for a tensor of PyTorch."""

    def __init__(self, values: Any) -> None:
        self.values = np.asarray(values)
        self.dtype = f"torch.{self.values.dtype}"

    def detach(self) -> Tensor:
        return self

    cpu = detach

    def float(self) -> Tensor:
        return Tensor(self.values.astype(np.float32))

    def numpy(self) -> Any:
        return self.values


class Linear:
    def __init__(self, n_in: int, n_out: int, dtype: str = "float32", *, has_bias: bool = True) -> None:
        rng = np.random.default_rng(n_in + n_out)
        self.weight = Tensor(rng.normal(0, 0.7, (n_out, n_in)).astype(dtype))
        self.bias = Tensor(rng.normal(0, 0.7, n_out).astype(dtype)) if has_bias else None


def unit(name: str, **values: Any) -> Any:
    return type(name, (), values)()


class Sequential(list[Any]):
    pass


ELU_1 = unit("ELU", alpha=1.0)


def test_a_sequential_of_modules_becomes_a_model() -> None:
    first, last = Linear(4, 5, has_bias=False), Linear(5, 3)
    network = Sequential(
        [
            unit("Flatten", start_dim=1, end_dim=-1),
            first,
            Sequential([unit("LeakyReLU", negative_slope=0.25), unit("Dropout")]),
        ]
    )
    x = np.random.default_rng(0).normal(size=(30, 4))
    h = x @ first.weight.values.T.astype(float)
    logits = np.where(h < 0, 0.25 * h, h) @ last.weight.values.T + last.bias.values  # type: ignore[union-attr]
    plain = from_torch([*network, last], targets=["a", "b", "c"], features=list("wxyz"))
    assert np.allclose(plain.predict(x), logits, atol=1e-5)
    assert (plain.schema.task, plain.schema.target_names) == ("regression", ("a", "b", "c"))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    for ending, naming in (([unit("Softmax", dim=-1)], {}), ([], {"task": "multiclass"}), ([], {"classes": [3, 1, 2]})):
        classes = from_torch([*network, last, *ending], **naming)  # type: ignore[arg-type]
        assert np.allclose(classes.predict_proba(x), p, atol=1e-5)
    assert classes.predict(x).tolist() == [[3, 1, 2][i] for i in logits.argmax(axis=1)]
    binary = from_torch([Linear(2, 1, "float16"), unit("Sigmoid")])
    assert (binary.schema.task, binary.trained.parameters.dtype) == ("binary", np.float32)


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ([Linear(2, 3), unit("BatchNorm1d"), Linear(3, 1)], "a module BatchNorm1d, which this program has not; known"),
        ([unit("ReLU"), Linear(2, 1)], "ReLU where a Linear is needed"),
        ([Linear(2, 3), unit("ReLU"), unit("Tanh"), Linear(3, 1)], "Tanh where a Linear is needed"),
        ([Linear(2, 3), unit("ReLU")], "the network ends in relu"),
        ([Linear(2, 3), unit("Softmax", dim=0)], "Softmax over dim = 0"),
        ([Linear(2, 3), unit("Softmax", dim=1), Linear(3, 1)], "a Linear after softmax"),
        ([Linear(2, 3), unit("Softplus", beta=2.0), Linear(3, 1)], "Softplus with beta = 2"),
        ([Linear(2, 3), unit("Softplus", beta=1, threshold=1), Linear(3, 1)], "Softplus with threshold = 1; 20"),
        ([unit("Flatten", start_dim=0, end_dim=-1), Linear(2, 1)], "Flatten of dimensions 0 to -1"),
        ([Linear(2, 3), unit("Dropout", _forward_hooks={0: abs}), Linear(3, 1)], "a Dropout with hooks"),
        ([Linear(2, 3, "complex64")], "weights of torch.complex64"),
        (Linear(2, 3), "a Linear, not a torch.nn.Sequential"),
        ([Linear(2, 3), Linear(4, 1)], "3 outputs before one of 4 inputs"),
        ([], "no Linear in this network"),
        ([Linear(2, 3), ELU_1, Linear(3, 3), unit("ELU", alpha=2.0), Linear(3, 1)], "elu_alpha = 1 and 2"),
        ([Linear(2, 3), unit("Sigmoid")], "3 outputs: 2 features and 3 outputs"),
    ],
)  # fmt: skip
def test_what_a_sequential_has_that_this_program_has_not_is_told(network: Any, words: str) -> None:
    with pytest.raises((UsageError, DataError), match=words):
        from_torch(network)


def fitted(estimator: Any, x: Any, y: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it does not converge in as many steps
        return estimator.fit(x, y)


def test_estimators_answer_here_as_they_do_there(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(1000, 30, (80, 3))
    gaps = np.where(rng.random(x.shape) < 0.1, np.nan, x)
    y = x[:, 0] - 1000
    few: dict[str, Any] = {"hidden_layer_sizes": (6, 5), "max_iter": 5, "random_state": 0}
    texts, median = np.array(["b", "c", "a", "d"] * 20), SimpleImputer(strategy="median")
    scaled = make_pipeline(StandardScaler(), MLPRegressor(**few))
    for number, (estimator, rows, targets) in enumerate((
        (MLPRegressor(**few, activation="tanh"), x - 1000, y),
        (make_pipeline(StandardScaler(), MLPRegressor(**few)), x, np.column_stack([y, -y])),
        (make_pipeline(SimpleImputer(), MinMaxScaler((-1, 2)), MLPClassifier(**few)), gaps, y > 0),
        (make_pipeline(RobustScaler(), median, MLPClassifier(**few)), gaps, np.arange(80) % 3 * 5),
        (make_pipeline(MaxAbsScaler(), MLPClassifier(**few, activation="logistic")), x, texts),
        (make_pipeline(StandardScaler(with_mean=False), MLPClassifier(hidden_layer_sizes=(), max_iter=5)), x, y > 0),
        (TransformedTargetRegressor(scaled, transformer=StandardScaler()), x, y),
        (TransformedTargetRegressor(scaled), x, y),
    )):  # fmt: skip
        made = fitted(estimator, rows, targets)
        path = tmp_path / f"{number}.skops"
        skops.io.dump(made, path)
        for here in (from_sklearn(made), import_model(path)):
            if hasattr(made, "predict_proba"):
                assert np.allclose(here.predict_proba(rows), made.predict_proba(rows), atol=1e-12), number
                assert here.predict(rows).astype(str).tolist() == made.predict(rows).astype(str).tolist()
            else:
                assert np.allclose(here.predict(rows), made.predict(rows), rtol=1e-10), number


@settings(max_examples=10)
@given(st.sampled_from(["identity", "logistic", "tanh", "relu"]), st.integers(0, 3), st.integers(0, 99))
def test_scikit_learn_to_here_to_onnx_runtime(activation: str, n_classes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(7, 3, (60, 3))
    y = x @ rng.normal(size=(3, 2)) if n_classes < 2 else np.arange(60) % n_classes
    kind = MLPRegressor if n_classes < 2 else MLPClassifier
    network = kind(hidden_layer_sizes=(5,) * (seed % 3), activation=activation, max_iter=3, random_state=seed)
    there = fitted(make_pipeline(StandardScaler(), network), x, y)
    found = onnx.run(onnx.image(portable(from_sklearn(there).trained), "m"), x)
    if n_classes < 2:
        assert np.allclose(found[0], there.predict(x), rtol=1e-9, atol=1e-12)
    else:
        assert np.allclose(found[1], there.predict_proba(x), rtol=1e-9, atol=1e-12)
        assert np.array_equal(found[0], there.predict(x))


def test_estimators_of_this_program_become_models_too() -> None:
    x = np.random.default_rng(0).normal(5, 2, (60, 3))
    own = ddp_mlp.MLPClassifier(hidden_layer_sizes=(4,), max_iter=2)
    made = fitted(make_pipeline(StandardScaler(), own), x, np.array(["b", "a", "c"] * 20))
    assert np.allclose(from_sklearn(made).predict_proba(x), made.predict_proba(x), atol=1e-6)


@pytest.mark.parametrize("scaled", [False, True])
def test_what_an_estimator_of_this_program_normalises_itself_comes_along(scaled: bool) -> None:
    x = np.random.default_rng(0).normal(500, 20, (60, 3))
    x[0, 1] = np.nan
    few: dict[str, Any] = {"hidden_layer_sizes": (4,), "max_iter": 2, "normalize": "standard", "missing": "impute"}
    made: Any = ddp_mlp.MLPRegressor(**few)
    if scaled:
        made = TransformedTargetRegressor(make_pipeline(MinMaxScaler(), made), transformer=StandardScaler())
    made = fitted(made, x, np.nan_to_num(x) * 7)
    assert np.allclose(from_sklearn(made).predict(x), made.predict(x), rtol=1e-9)
    table = pandas.DataFrame({"a": ["u", "v"] * 30})
    with pytest.raises(UsageError, match="its model_ is what is wanted"):
        from_sklearn(fitted(ddp_mlp.MLPRegressor(**few), table, x[:, 0]))


def test_what_an_estimator_has_that_this_program_has_not_is_told() -> None:
    x, y = np.random.default_rng(0).normal(size=(30, 3)), np.arange(30) % 2
    few: dict[str, Any] = {"hidden_layer_sizes": (2,), "max_iter": 2}
    many = np.column_stack([y, 1 - y, y])
    for estimator, targets, words in (
        (make_pipeline(PCA(2), MLPClassifier(**few)), y, "a step PCA, which this program has not; known"),
        (make_pipeline(StandardScaler(), MinMaxScaler(), MLPClassifier(**few)), y, "two scalers"),
        (make_pipeline(MinMaxScaler(clip=True), MLPClassifier(**few)), y, "clips"),
        (make_pipeline(SimpleImputer(add_indicator=True), MLPClassifier(**few)), y, "add_indicator"),
        (MLPClassifier(**few), many, "several labels at once"),
        (MLPClassifier(**few), np.full(30, "only"), "the one class only"),
        (StandardScaler(), None, "a StandardScaler, which this program has not"),
        (TransformedTargetRegressor(MLPRegressor(**few), func=np.exp, inverse_func=np.log), y, "a function transforms"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=words):
            from_sklearn(fitted(estimator, x, targets))
    with pytest.raises(UsageError, match="not fitted"):
        from_sklearn(make_pipeline(StandardScaler(), MLPRegressor()))


def weights(**changes: Any) -> bytes:
    rng = np.random.default_rng(0)
    tensors = {"0.weight": rng.normal(size=(5, 4)), "0.bias": rng.normal(size=5), "2.weight": rng.normal(size=(3, 5))}
    return save({name: np.asarray(a, np.float32) for name, a in (tensors | changes).items()})


def test_weights_alone_need_to_be_told_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(weights())
    with pytest.raises(UsageError, match="give the activation of the hidden layers"):
        import_model(path, task="regression")
    with pytest.raises(UsageError, match="give the task"):
        import_model(path, activation="relu")
    done = command(
        "import-model", "w.safetensors", "--activation", "elu", "--classes", "a, b,c", "--out", "w.h5", cwd=tmp_path
    )
    assert done.err == "w.h5: multiclass, 4 -> 5 -> 3, elu, softmax\n"
    again = command("import-model", "w.safetensors", "--out", "w.h5", cwd=tmp_path)
    assert (again.code, len(again.error_lines)) == (73, 1)
    done = command("export", "w.h5", "--out", "w.npz", "--check", cwd=tmp_path)
    assert done.code == 0
    done = command("import-model", "w.npz", "--task", "binary", "--out", "v.h5", cwd=tmp_path)
    assert (done.code, done.err.count("says all of itself")) == (2, 1)


@pytest.mark.parametrize(
    ("name", "content", "error", "words"),
    [
        ("w.safetensors", b"\x08\0\0\0\0\0\0\0nonsense", DataError, "no safetensors file that can be read"),
        ("w.safetensors", weights(**{"0.gamma": [1.0]}), DataError, "tensor '0.gamma' is no weight or bias"),
        ("w.safetensors", weights(**{"a.0.bias": np.ones(5)}), DataError, "tensor .* is no weight or bias"),
        ("w.safetensors", weights(**{"2.weight": np.ones(3)}), DataError, r"has shape \(3,\)"),
        ("w.safetensors", weights(**{"4.bias": np.ones(3)}), DataError, "a bias at place 4, but no weight"),
        ("w.safetensors", weights(**{"0.bias": np.full(5, np.nan)}), DataError, "not finite"),
        ("w.safetensors", weights(**{"0.bias": np.ones(4)}), DataError, r"has a bias \(4,\)"),
        ("w.safetensors", weights(**{"2.weight": np.ones((3, 6))}), DataError, "5 outputs before one of 6 inputs"),
        ("w.safetensors", save({}), DataError, "no linear layers"),
        ("w.skops", b"nonsense", DataError, "no skops file that can be read"),
        ("w.npz", b"nonsense", DataError, "no NPZ file that can be read"),
        ("w.pt", b"", UsageError, r"which format is this\? Known are \*.safetensors"),
    ],
)  # fmt: skip
def test_strange_files_are_told(name: str, content: bytes, error: type[Exception], words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    told: dict[str, Any] = (
        {"activation": "relu", "task": "regression"} if name.endswith("s") and "k" not in name else {}
    )
    with pytest.raises(error, match=words):
        import_model(tmp_path / name, **told)  # type: ignore[arg-type]
    with pytest.raises(MissingInputError):
        import_model(tmp_path / "nothing.npz")


def test_an_export_that_a_stranger_has_changed_is_refused(tmp_path: Path) -> None:
    with np.load(file_of(model(scaled=True, filled=True), "npz", tmp_path)) as file:
        arrays = {name: file[name] for name in file.files}
    schema = json.loads(str(arrays["about_schema"]))
    for name, value in (
        ("about_schema", "[]"), ("about_schema", json.dumps(schema | {"n_features": 7})),
        ("about_schema", json.dumps(schema | {"task": "poetry"})), ("about_output", "eval"),
        ("about_output", "softmax"),
        ("about_activations", '["relu"]'), ("about_activations", '["rm", "identity"]'), ("about_pieces", "[0, 1]"),
        ("about_pieces", '["a", 1]'), ("about_normalization", '{"offset": [0], "scale": [1]}'), ("about_fill", '["x"]'),
        ("about_target_normalization", '{"offset": [0, 0, 0], "scale": [0, 1, 1]}'), ("about_loss", "hinge"),
        ("weight0", np.ones((4, 5), object)), ("weight0", np.full((4, 5), np.inf)), ("bias1", np.ones(9)),
        ("about_activation_parameters", "[null, {}]"), ("about_fill", "nonsense"), ("about_pieces", "[-5, 1]"),
    ):  # fmt: skip
        buffer = io.BytesIO()
        np.savez(buffer, **(arrays | {name: np.asarray(value)}))
        (tmp_path / "m.npz").write_bytes(buffer.getvalue())
        with pytest.raises((DataError, UsageError)):
            import_model(tmp_path / "m.npz")


def test_an_export_whose_arrays_are_not_what_its_texts_say_is_refused(tmp_path: Path) -> None:
    with np.load(file_of(model(scaled=True, filled=True), "npz", tmp_path)) as file:
        arrays = {name: file[name] for name in file.files}
    twice = [name for name in arrays if name == "fill" or name.endswith(("_offset", "_scale"))]
    assert len(twice) == 5
    for name in twice:
        for changed in (arrays | {name: arrays[name] * 2 + 1}, {k: v for k, v in arrays.items() if k != name}):
            np.savez(tmp_path / "m.npz", **changed)
            with pytest.raises(DataError, match=f"the array {name} is not what about_"):
                import_model(tmp_path / "m.npz")
