"""Training from Python: the bits of the command line, report by report, and what may not be given."""

from __future__ import annotations

import gc
import logging
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import h5py
import numpy as np
import pyarrow as pa
import pytest

import ddp_mlp
from ddp_mlp import Config
from ddp_mlp.api import loop
from ddp_mlp.config.defaults import EARLIER_DEFAULTS
from ddp_mlp.run.signals import stop_signals_wait
from tests.api.conftest import Arrays
from tests.runs import ddp_mlp as command

SMALL: dict[str, Any] = {
    "model": {"hidden": [6]},
    "optimizer": {"name": "adam", "learning_rate": 0.01},
    "train": {"epochs": 3, "global_batch_size": 16},
}
_TOML = """
[data]
train = "m.h5"
[model]
hidden = [6]
[optimizer]
name = "adam"
learning_rate = 0.01
[train]
epochs = 3
global_batch_size = 16
"""


def write(path: Path, **arrays: Any) -> Path:
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return path


def test_arrays_give_the_bits_of_a_file_with_the_same_rows(moons: Arrays, tmp_path: Path) -> None:
    x, y = moons
    (tmp_path / "c.toml").write_text(_TOML)
    write(tmp_path / "m.h5", x=x, y=y)
    told = command("train", "c.toml", "--out", "run", "--json", cwd=tmp_path).result
    by_file = ddp_mlp.train(tmp_path / "c.toml", out=tmp_path / "again")
    held = ddp_mlp.train(SMALL, data=moons)
    assert told["weights_sha256"] == by_file.weights_sha256 == held.weights_sha256
    assert told["model_sha256"] == held.model.weights_sha256 == ddp_mlp.load_model(tmp_path / "run").weights_sha256
    assert held.model.trained.fingerprint == by_file.model.trained.fingerprint
    assert held.model.schema == by_file.model.schema
    assert by_file.run_dir == tmp_path / "again"
    assert held.run_dir is None
    assert held.history["valid_loss"] == by_file.history["valid_loss"]
    assert held.history["epoch"] == [1, 2, 3]


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (np.arange(80, dtype=np.uint8).reshape(20, 2, 2), np.arange(20) % 2 == 0),
        (np.linspace(0, 1, 60, dtype=">f4").reshape(20, 3)[::-1], np.linspace(-5, 5, 20)),
        (np.asfortranarray(np.linspace(0, 1, 60).reshape(20, 3)), np.linspace(0, 9, 40).reshape(20, 2)),
        (np.linspace(0, 1, 60, dtype=np.float16).reshape(20, 3), np.arange(20) % 3 + 4),
        ((np.arange(60) % 7).reshape(20, 3), np.eye(2)[np.arange(20) % 2]),
    ],
)
def test_arrays_of_any_kind_mean_what_they_do_in_a_file(x: Any, y: Any, tmp_path: Path) -> None:
    config = {**SMALL, "data": {"train": str(write(tmp_path / "m.h5", x=x, y=y))}}
    by_file, held = ddp_mlp.train(config), ddp_mlp.train(SMALL, data=(x, y))
    assert held.weights_sha256 == by_file.weights_sha256
    assert held.model.schema == by_file.model.schema
    assert np.array_equal(held.model.predict(x), by_file.model.predict(x))


def test_weights_and_rows_that_validate_are_as_in_a_file(moons: Arrays, tmp_path: Path) -> None:
    x, y = moons
    w = np.linspace(0, 2, 100)
    with h5py.File(tmp_path / "m.h5", "w") as file:
        for split, rows in (("train", slice(0, 100)), ("valid", slice(100, 120))):
            file[f"{split}/x"], file[f"{split}/y"] = x[rows], y[rows]
        file["train/weights"] = w
    held = ddp_mlp.train(SMALL, data=(x[:100], y[:100], w), valid=(x[100:], y[100:]))
    by_file = ddp_mlp.train(SMALL, data=tmp_path / "m.h5")
    assert held.weights_sha256 == by_file.weights_sha256
    assert held.summary["understood"] == by_file.summary["understood"]
    assert held.summary["understood"]["valid_rows"] == 20
    assert held.summary["understood"]["weighted"]


def test_lists_masked_values_and_objects_are_arrays(moons: Arrays) -> None:
    x, y = moons
    plain = ddp_mlp.train(SMALL, data=moons)
    assert ddp_mlp.train(SMALL, data=(x.tolist(), y.tolist())).weights_sha256 == plain.weights_sha256
    assert ddp_mlp.train(SMALL, data=(x.astype(object), y)).weights_sha256 == plain.weights_sha256
    holes, boxed = np.ma.masked_where(x > 1, x), x.astype(object)
    boxed[x > 1] = None
    nan = np.where(x > 1, np.nan, x)
    filled = {**SMALL, "data": {"missing": "impute"}}
    hashes = {ddp_mlp.train(filled, data=(each, y)).weights_sha256 for each in (holes, boxed, nan)}
    assert len(hashes) == 1
    for each in (holes, boxed, nan):
        with pytest.raises(ddp_mlp.DataError, match="missing value"):
            ddp_mlp.train(SMALL, data=(each, y))


def test_text_is_classes_in_every_split(moons: Arrays) -> None:
    x, y = moons
    for texts in (np.array(["no", "yes"])[y], np.array(["no", "yes"], object)[y], np.array([b"no", b"yes"])[y]):
        result = ddp_mlp.train(SMALL, data=(x, texts), valid=(x[1::2], texts[1::2]))
        assert result.model.schema.class_names == ("no", "yes")
        assert set(result.model.predict(x)) <= {"no", "yes"}
        best = result.summary["best_epoch"] - 1
        accuracy = np.mean(result.model.predict(x[1::2]) == texts[1::2].astype(str))
        assert result.history["valid_accuracy"][best] == pytest.approx(accuracy)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (([1.0, 2.0], [0, 1]), "reshape"),
        (([[1.0], [2.0]], [0]), "2 rows, but y has 1"),
        (([[1.0], [2.0, 3.0]], [0, 1]), "as many values"),
        (([["a"], ["b"]], [0, 1]), "X holds 'a'"),
        ((np.array([["a"], [1]], object), [0, 1]), "X holds 'a'"),
        ((np.zeros((4, 0)), np.zeros(4)), "no features"),
        ((np.zeros((0, 3)), np.zeros(0)), "no samples"),
        ((np.zeros((4, 3), complex), np.zeros(4)), "complex"),
        ((np.zeros((4, 3), "M8[s]"), np.zeros(4)), "X holds"),
        ((np.zeros((4, 3), np.longdouble), np.zeros(4)), "64 bits"),
        ((np.full((4, 3), np.inf), np.arange(4)), "X: 12 non-finite values"),
        ((np.zeros((4, 3)), [0, 1, np.nan, 1]), "y: 1 missing value"),
        ((np.zeros((4, 3)), [0, 1, 0, 1], [1, 1, -1, 1]), "sample weight -1"),
        ((np.zeros((4, 3)), [0, 1, 0, 1], np.ones((4, 2))), "weights are one number per row"),
        ((np.zeros((4, 3)),), "tuple of 1"),
        (np.zeros((4, 3)), "no targets"),
    ],
)
def test_data_that_mean_nothing_are_told(data: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ddp_mlp.train(SMALL, data=data)


def test_sparse_matrices_are_refused(moons: Arrays) -> None:
    scipy = pytest.importorskip("scipy.sparse")
    with pytest.raises(ddp_mlp.DataError, match=r"X\.toarray\(\)"):
        ddp_mlp.train(SMALL, data=(scipy.csr_matrix(moons[0]), moons[1]))


def test_a_call_that_cannot_be_meant_is_told(moons: Arrays, tmp_path: Path) -> None:
    calls: list[tuple[dict[str, Any], str]] = [
        ({}, "nothing to train on"),
        ({"valid": moons}, "without data"),
        ({"data": moons, "resume": True}, "give out="),
        ({"data": moons, "out": tmp_path, "resume": True, "overwrite": True}, "give one"),
        ({"data": moons, "threads": 0}, "threads = 0"),
        ({"data": moons, "valid": "v.h5"}, "both"),
        ({"data": tmp_path / "a.h5", "valid": moons}, "must be one too"),
    ]
    for options, words in calls:
        with pytest.raises(ddp_mlp.UsageError, match=words):
            ddp_mlp.train(SMALL, **options)
    for config, words in ((3, "type int"), ({"models": {}}, "unknown section 'models'")):
        with pytest.raises(ddp_mlp.UsageError, match=words):
            ddp_mlp.train(config, data=moons)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError):
        ddp_mlp.train(SMALL, data=tmp_path / "a.h5")
    assert not list(tmp_path.iterdir())


def test_reports_may_be_left_at_any_time(moons: Arrays, tmp_path: Path) -> None:
    run = ddp_mlp.training({**SMALL, "train": {"epochs": 50}}, data=moons, out=tmp_path / "run")
    for report in run:
        if report.epoch == 2:
            break
    result = run.result
    assert result.status == "stopped"
    assert 2 <= result.summary["epochs"] < 50
    assert ddp_mlp.load_model(tmp_path / "run").weights_sha256 == result.model.weights_sha256
    go_on = {**SMALL, "train": {"epochs": 50}}
    assert list(run) == []
    resumed = ddp_mlp.train(go_on, data=moons, out=tmp_path / "run", resume=True)
    whole = ddp_mlp.train(go_on, data=moons)
    assert resumed.weights_sha256 == whole.weights_sha256
    assert resumed.history["valid_loss"] == whole.history["valid_loss"]
    assert resumed.history["epoch"] == list(range(1, 51))
    again = ddp_mlp.train(go_on, data=moons, out=tmp_path / "run", resume=True)
    assert (again.weights_sha256, again.history["epoch"]) == (whole.weights_sha256, whole.history["epoch"])
    with pytest.raises(ddp_mlp.UsageError, match="already holds a run"):
        ddp_mlp.train(go_on, data=moons, out=tmp_path / "run")
    with pytest.raises(ddp_mlp.CheckpointError, match="content of the data"):
        ddp_mlp.train(go_on, data=(moons[0] + 1, moons[1]), out=tmp_path / "run", resume=True)


def test_a_training_that_is_forgotten_lets_its_directory_go(moons: Arrays, tmp_path: Path) -> None:
    for _ in ddp_mlp.training(SMALL, data=moons, out=tmp_path / "run"):
        break
    gc.collect()
    assert '"stopped"' in (tmp_path / "run" / "status.json").read_text()
    ddp_mlp.train(SMALL, data=moons, out=tmp_path / "run", overwrite=True)
    never_begun = ddp_mlp.training(SMALL, data=moons)
    with pytest.raises(ddp_mlp.UsageError, match="no result"):
        _ = never_begun.result


def test_threads_and_other_threads_give_the_same_bits(moons: Arrays) -> None:
    expected = ddp_mlp.train(SMALL, data=moons).weights_sha256
    assert ddp_mlp.train(SMALL, data=moons, threads=2).weights_sha256 == expected
    before = threading.active_count()
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(ddp_mlp.train, SMALL, data=moons) for _ in range(2)]
        assert {each.result(60).weights_sha256 for each in both} == {expected}
    assert threading.active_count() == before


def test_what_was_understood_is_logged(moons: Arrays, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "ddp_mlp"):
        ddp_mlp.train({**SMALL, "train": {"epochs": 1, "global_batch_size": 500}}, data=moons)
    assert any(line.startswith("data: 108 rows train") for line in caplog.messages)


def test_an_autoencoder_needs_no_targets(moons: Arrays) -> None:
    config = {**SMALL, "data": {"autoencode": True}}
    model = ddp_mlp.train(config, data=moons[0]).model
    assert model.predict(moons[0]).shape == (120, 2)
    assert model.evaluate(moons[0])["rmse"] > 0


def test_a_configuration_is_taken_as_such_as_its_sections_and_as_its_file(moons: Arrays, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(_TOML)
    kinds = (Config(**SMALL), SMALL, str(tmp_path / "c.toml"), tmp_path / "c.toml")
    assert len({ddp_mlp.train(config, data=moons).weights_sha256 for config in kinds}) == 1


@pytest.mark.parametrize(
    ("number", "kind"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, ddp_mlp.StoppedError)]
)
def test_signals_stop_a_training_that_can_go_on(
    number: int, kind: type[BaseException], moons: Arrays, tmp_path: Path
) -> None:
    run = ddp_mlp.training({**SMALL, "train": {"epochs": 10**6}}, data=moons, out=tmp_path / "run")
    next(run)
    threading.Timer(0.1, os.kill, (os.getpid(), number)).start()
    with stop_signals_wait(), pytest.raises(kind):  # between two reports nobody listens
        list(run)
    assert '"stopped"' in (tmp_path / "run" / "status.json").read_text()
    assert signal.getsignal(number) in {signal.SIG_DFL, signal.default_int_handler}


@pytest.mark.parametrize(
    ("number", "kind"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, ddp_mlp.StoppedError)]
)
def test_signals_that_come_at_the_end_of_a_training_are_not_lost(
    number: int, kind: type[BaseException], moons: Arrays, tmp_path: Path
) -> None:
    """A script that trains one model after the other would go on."""
    run = ddp_mlp.training({**SMALL, "train": {"epochs": 2}}, data=moons, out=tmp_path / "run")
    with stop_signals_wait():
        while not (report := next(run)).finished_epoch or report.finished_epoch["epoch"] < 2:
            pass
        signal.raise_signal(number)
        with pytest.raises(kind):
            list(run)
    assert '"finished"' in (tmp_path / "run" / "status.json").read_text()


def test_ctrl_c_between_two_reports_is_a_stop_too(
    moons: Arrays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody listens it is raised at once, and what was trained is saved."""
    run = ddp_mlp.training({**SMALL, "train": {"epochs": 10**6}}, data=moons, out=tmp_path / "run")
    next(run)
    monkeypatch.setattr(loop.StopSignals, "__enter__", Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt) as kept:
        next(run)
    assert '"stopped"' in (tmp_path / "run" / "status.json").read_text()
    assert kept.tb is not None


def test_a_run_that_began_with_earlier_defaults_goes_on_with_them(moons: Arrays, tmp_path: Path) -> None:
    """Given as sections, and as a file."""
    (tmp_path / "c.toml").write_text("[model]\nhidden = [6]\n[train]\nepochs = 4\n")
    sections = {"model": {"hidden": [6]}, "train": {"epochs": 4}}
    ways: list[Any] = [sections, Config(**sections), tmp_path / "c.toml"]  # type: ignore[arg-type]
    for number, way in enumerate(ways):
        began = {name: dict(table) for name, table in EARLIER_DEFAULTS.items()} | {"model": {"hidden": [6]}}
        began["train"]["epochs"] = 2
        ddp_mlp.train(began, data=moons, out=tmp_path / str(number))
        resumed = ddp_mlp.train(way, data=moons, out=tmp_path / str(number), resume=True)
        assert resumed.history["epoch"] == [1, 2, 3, 4]
        assert resumed.model.config.optimizer.name == "sgd"


def test_a_frame_trains_an_autoencoder_and_weights_may_be_one_of_its_columns(moons: Arrays) -> None:
    x, y = moons
    frame = pa.table({"a": x[:, 0], "target": x[:, 1]})
    settings = {**SMALL, "data": {"autoencode": True}}
    whole, plain = (ddp_mlp.train(settings, data=given) for given in (frame, x))
    assert whole.weights_sha256 == plain.weights_sha256
    assert whole.model.evaluate(frame.select(["target", "a"]))["rmse"] == plain.model.evaluate(x)["rmse"]
    weights = np.arange(120.0)
    named = ddp_mlp.train(SMALL, data=(frame.append_column("w", pa.array(weights)), y, "w"))
    assert named.weights_sha256 == ddp_mlp.train(SMALL, data=(x, y, weights)).weights_sha256
    assert named.model.schema.feature_names == ("a", "target")
