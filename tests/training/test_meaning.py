"""What numbers mean is decided once, on the training rows, kept in the model, and said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from msgspec.structs import replace

from ddp_mlp.checkpoint.model import load_model
from ddp_mlp.comm import SingleProcess
from ddp_mlp.config import Config, from_builtins
from ddp_mlp.data.importing import import_dataset
from ddp_mlp.data.sources.options import ImportOptions
from ddp_mlp.errors import DataError, UsageError
from ddp_mlp.run.run import Run, RunOptions
from ddp_mlp.training.inference.files import Rows, apply_model
from ddp_mlp.training.problem import prepare

N = 120
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 3))
Y = X @ [1.0, -2.0, 0.5]


def write(path: Path, names: list[str] | None = None, **arrays: Any) -> str:
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name.replace("__", "/")] = values
            if names and "X" in name:
                file[name.replace("__", "/")].attrs["names"] = names
    return str(path)


def configured(path: str, **data: Any) -> Config:
    train = {"epochs": 3, "global_batch_size": 16, "micro_batches": 2}
    optimizer = {"name": "sgd", "learning_rate": 0.01}
    model = {"hidden": [4]}
    return from_builtins(
        {"data": {"train": path} | data, "train": train, "optimizer": optimizer, "model": model}, "test"
    )


def train(config: Config, directory: Path, *, resume: bool = False) -> tuple[dict[str, Any], list[str]]:
    said: list[str] = []
    run = Run(config, RunOptions(directory, resume=resume), SingleProcess(), said.append)
    return run.execute(lambda report: None), said


def apply(directory: Path, data: str, **rows: Any) -> tuple[dict[str, Any], np.ndarray, list[str]]:
    said: list[str] = []
    with apply_model(directory, Rows(data, **rows), SingleProcess(), said.append) as applied:
        measured = {} if rows.get("answers_only") else applied.evaluate()
        return measured, applied.predict(), said


def test_what_was_understood_is_one_line_and_part_of_the_summary(tmp_path: Path) -> None:
    labels = np.arange(N) % 3
    summary, said = train(
        configured(write(tmp_path / "d.h5", X=X, y=labels, X_test=X, y_test=labels)), tmp_path / "run"
    )
    (line,) = [line for line in said if line.startswith("data: ")]
    for part in ("108 rows train, 12 validate, 120 are for a test", "3 features", "multiclass of 3 classes (0, 1, 2)"):
        assert part in line
    assert summary["understood"]["classes"] == ["0", "1", "2"]


def test_missing_values_are_those_of_the_training_rows_at_predict_too(tmp_path: Path) -> None:
    holes = X.copy()
    holes[::7, 1] = np.nan
    config = configured(write(tmp_path / "d.h5", X=holes, y=Y), missing="impute")
    _, said = train(config, tmp_path / "run")
    assert any("missing values in 1 feature, filled" in line for line in said)
    fill = load_model(tmp_path / "run").normalization.fill
    assert fill is not None
    new = X[:20].copy()
    new[3, 0] = new[4, 1] = np.nan  # in training the first column had none
    answers = apply(tmp_path / "run", write(tmp_path / "new.h5", X=new), answers_only=True)[1]
    by_hand = np.where(np.isnan(new), fill, new)
    expected = apply(tmp_path / "run", write(tmp_path / "filled.h5", X=by_hand), answers_only=True)[1]
    np.testing.assert_array_equal(answers, expected)


def test_missing_values_are_refused_with_the_key_that_takes_them(tmp_path: Path) -> None:
    holes = X.copy()
    holes[5, 1] = np.nan
    with pytest.raises(DataError, match=r'row 5 .*\[data\] missing = "impute"'):
        train(configured(write(tmp_path / "d.h5", X=holes, y=Y)), tmp_path / "run")


def test_columns_are_found_by_name_in_another_file(tmp_path: Path) -> None:
    train(configured(write(tmp_path / "d.h5", ["a", "b", "c"], X=X, y=Y)), tmp_path / "run")
    expected = apply(tmp_path / "run", str(tmp_path / "d.h5"), split="train")[1]
    other = write(tmp_path / "o.h5", ["c", "id", "a", "b"], X=np.column_stack([X[:, 2], Y, X[:, :2]]))
    _, answers, said = apply(tmp_path / "run", other, answers_only=True)
    np.testing.assert_array_equal(answers, expected)
    assert any("not used: id" in line for line in said)


def test_rows_that_trained_are_said_to_be_such_and_those_that_validated_can_be_had(tmp_path: Path) -> None:
    path = write(tmp_path / "d.h5", X=X, y=Y)
    summary, _ = train(configured(path), tmp_path / "run")
    _, _, said = apply(tmp_path / "run", path)
    assert any("108 of these 120 rows trained the model" in line for line in said)
    measured, answers, said = apply(tmp_path / "run", path, split="valid")
    assert len(answers) == 12
    assert measured["loss"] == pytest.approx(summary["best_valid_loss"], rel=1e-12)
    with pytest.raises(UsageError, match="not the file that the model was trained on"):
        apply(tmp_path / "run", write(tmp_path / "e.h5", X=X + 1, y=Y), split="valid")


@pytest.mark.parametrize("kind", ["by their name", "by key", "in a group"])
def test_rows_that_trained_with_weights_are_known_too(tmp_path: Path, kind: str) -> None:
    weights = np.arange(N) % 3 + 0.5
    name = {"by their name": "sample_weight", "by key": "w", "in a group": "fold__weights"}[kind]
    group = "fold__" * (kind == "in a group")
    path = write(tmp_path / "d.h5", **{f"{group}X": X, f"{group}y": Y, name: weights})
    location = f"{path}:/fold" if group else path
    train(configured(location, **({"weights": "w"} if kind == "by key" else {})), tmp_path / "run")
    assert any("108 of these 120 rows trained" in line for line in apply(tmp_path / "run", location)[2])
    assert len(apply(tmp_path / "run", location, split="valid")[1]) == 12


@pytest.mark.parametrize(
    ("arrays", "keys"),
    [
        ({"X": X, "y": Y > 0}, {"autoencode": True}),
        ({"a": X, "b": Y}, {"features": "a", "targets": "b"}),
        ({"X": X, "y": np.arange(N) // 2}, {"task": "regression"}),
    ],
)
@pytest.mark.parametrize("answers_only", [False, True])
def test_rows_that_trained_are_known_however_they_are_asked(
    tmp_path: Path, arrays: Any, keys: Any, answers_only: bool
) -> None:
    path = write(tmp_path / "d.h5", **arrays)
    train(configured(path, **keys), tmp_path / "run")
    said = apply(tmp_path / "run", path, answers_only=answers_only)[2]
    assert any("108 of these 120 rows trained" in line for line in said)


def test_values_far_outside_the_range_of_training_are_warned_of(tmp_path: Path) -> None:
    train(configured(write(tmp_path / "d.h5", ["a", "b", "c"], X=X, y=Y)), tmp_path / "run")
    new = X.copy()
    new[:, 1] *= 1000
    said = apply(tmp_path / "run", write(tmp_path / "n.h5", ["a", "b", "c"], X=new), answers_only=True)[2]
    assert any("outside the range" in line and " b: " in line for line in said)


def test_values_of_much_less_spread_are_warned_of_and_a_constant_is_none(tmp_path: Path) -> None:
    train(configured(write(tmp_path / "d.h5", ["a", "b", "c"], X=X * 100 + 50, y=Y)), tmp_path / "run")
    new = X * 100 + 50
    new[:, 0] = 50.0  # one year of many
    new[:, 2] /= 100  # fractions for percent: within the range of training
    said = apply(tmp_path / "run", write(tmp_path / "n.h5", ["a", "b", "c"], X=new), answers_only=True)[2]
    (line,) = [line for line in said if line.startswith("warning")]
    assert "1 feature varies much less than in training, most of all c" in line
    few = write(tmp_path / "f.h5", ["a", "b", "c"], X=new[:20])
    assert not any("vary" in line for line in apply(tmp_path / "run", few, answers_only=True)[2])


def test_missing_values_are_told_of_with_what_takes_their_place(tmp_path: Path) -> None:
    holed = X.copy()
    holed[:7, 1] = np.nan
    config = configured(write(tmp_path / "d.h5", ["a", "b", "c"], X=holed, y=Y), missing="impute")
    train(config, tmp_path / "run")
    new = X.copy()
    new[3:63, 2] = np.nan
    said = apply(tmp_path / "run", write(tmp_path / "n.h5", ["a", "b", "c"], X=new), answers_only=True)[2]
    (line,) = [line for line in said if line.startswith("missing")]
    fill = load_model(tmp_path / "run").normalization.fill
    assert fill is not None
    assert f"1 of 3 features, most often c: in 60 of {N} rows, where it is taken as {fill[2]:g}" in line


def test_all_seeds_of_training_sit_one_exam(tmp_path: Path) -> None:
    config = configured(write(tmp_path / "d.h5", X=X, y=Y))
    other = replace(config, train=replace(config.train, seed=9))
    first, second = (train(c, tmp_path / str(i))[0] for i, c in enumerate((config, other)))
    assert first["weights_sha256"] != second["weights_sha256"]
    ids = [apply(tmp_path / str(i), config.data.train, split="valid")[1].shape for i in range(2)]
    assert ids[0] == ids[1]
    assert load_model(tmp_path / "1").config.data.split_seed == 0


def test_a_run_goes_on_with_what_was_fitted_when_it_began(tmp_path: Path) -> None:
    """A rule that says otherwise today changes nothing in a run that is under way."""
    small = RNG.integers(0, 17, (N, 3)).astype("u1")  # bytes that do not fill their range
    path = write(tmp_path / "d.h5", X=small, y=(small[:, 0] > 8).astype("f8"))
    config = configured(path, normalize="unit", task="regression")
    whole, _ = train(replace(config, train=replace(config.train, epochs=6)), tmp_path / "whole")
    train(config, tmp_path / "parts")
    began = load_model(tmp_path / "parts").normalization
    assert began.kind == "unit"
    goes_on = replace(config, train=replace(config.train, epochs=6))
    resumed, _ = train(goes_on, tmp_path / "parts", resume=True)
    assert resumed["weights_sha256"] == whole["weights_sha256"]


@pytest.mark.parametrize(("targets", "word"), [(np.zeros(N), "class 0"), (np.full(N, 0.5), "the same targets")])
def test_one_answer_for_all_rows_is_warned_of(tmp_path: Path, targets: np.ndarray, word: str) -> None:
    _, said = train(configured(write(tmp_path / "d.h5", X=X, y=targets)), tmp_path / "run")
    assert any(f"warning: all 108 rows that train have {word}" in line for line in said)


def test_a_class_that_no_training_row_has_is_warned_of(tmp_path: Path) -> None:
    """All rows of a rare class may be among those that validate."""
    labels = np.arange(N) % 2
    validating = prepare(configured(write(tmp_path / "d.h5", X=X, y=labels)), SingleProcess()).valid_ids
    for rows, is_warned in ((validating[:1], True), (np.setdiff1d(np.arange(N), validating)[:1], False)):
        rare = labels.copy()
        rare[rows] = 2
        _, said = train(configured(write(tmp_path / f"{is_warned}.h5", X=X, y=rare)), tmp_path / f"run-{is_warned}")
        assert is_warned == ("warning: no row that trains has class 2, so it cannot be learnt" in said)


def test_one_label_that_names_no_two_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="all targets are 2; classes need labels of two kinds"):
        train(configured(write(tmp_path / "d.h5", X=X, y=np.full(N, 2))), tmp_path / "run")


@pytest.mark.parametrize("label", ["yes", "1", "7"])
def test_the_one_class_of_a_table_keeps_its_name(tmp_path: Path, label: str) -> None:
    (tmp_path / "one.csv").write_text("a,y\n" + "".join(f"{i},{label}\n" for i in range(40)))
    import_dataset([tmp_path / "one.csv"], tmp_path / "one.h5", ImportOptions(targets=("y",), task="binary"))
    _, said = train(configured(str(tmp_path / "one.h5")), tmp_path / "run")
    assert f"warning: all 36 rows that train have class {label}, which is all that a model can learn from them" in said
    measured, _, _ = apply(tmp_path / "run", str(tmp_path / "one.csv"))
    assert [(row["class"], row["n_samples"]) for row in measured["classes"]] == [(label, 40), (f"not {label}", 0)]


def test_a_table_of_one_class_is_read_and_bound_by_its_name(tmp_path: Path) -> None:
    for name, labels in (("both", ["no", "yes"]), ("one", ["yes"])):
        rows = "".join(f"{i},{labels[i % len(labels)]}\n" for i in range(40))
        (tmp_path / f"{name}.csv").write_text("a,y\n" + rows)
        import_dataset([tmp_path / f"{name}.csv"], tmp_path / f"{name}.h5", ImportOptions(targets=("y",)))
    train(configured(str(tmp_path / "both.h5")), tmp_path / "run")
    measured, _, _ = apply(tmp_path / "run", str(tmp_path / "one.h5"))
    assert [row["n_samples"] for row in measured["classes"]] == [0, 40]


def test_targets_that_cannot_be_scaled_are_named_as_such(tmp_path: Path) -> None:
    config = configured(write(tmp_path / "d.h5", X=X, y=Y * 1e300), normalize_targets="standard")
    with pytest.raises(DataError, match=r"target column 0: .* use normalize_targets = 'none'"):
        train(config, tmp_path / "run")
