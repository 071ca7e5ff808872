"""Samples know which rows trained, and of these rows health and importance tell what was put into them."""

from __future__ import annotations

import csv
import statistics
from contextlib import ExitStack

import numpy as np
import pytest

from ddp_mlp.checkpoint.model import load_model
from ddp_mlp.report.findings.gathering import findings_unasked
from ddp_mlp.report.findings.health import drift, health_of
from ddp_mlp.report.findings.importance import importance_of, ordered
from ddp_mlp.report.findings.samples import samples_of
from ddp_mlp.report.records.record import read_record
from ddp_mlp.report.writing import write_report
from ddp_mlp.training.inputs.own_rows import open_own
from ddp_mlp.training.inputs.parting import who_validates
from tests.report.pages.test_page import check
from tests.runs import ddp_mlp, make_data, train_here


def own_samples(run):
    model = load_model(run)
    with ExitStack() as stack:
        return model, samples_of(open_own(model, model.config.data, stack, 2**28))


_TOML = '[data]\ntrain = "{data}"\n{more}[model]\nhidden = [{hidden}]\n[train]\nepochs = {epochs}\n'


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A run on a table: one feature of three tells the target, one is constant, one lacks values; tests are shifted."""
    folder = tmp_path_factory.mktemp("table")
    rng = np.random.default_rng(0)
    x, noise = rng.normal(20, 5, 1200), rng.normal(0, 1, 1200)
    is_test = np.arange(1200) >= 1000
    with (folder / "t.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["x", "kind", "same", "noise", "split", "y"])
        for i in range(1200):
            gap = "" if i % 50 == 0 else f"{noise[i]:.5f}"
            kind, split = "abc"[i % 3], "test" if is_test[i] else "train"
            writer.writerow([f"{x[i] + 4 * is_test[i]:.5f}", kind, 4, gap, split, f"{3 * x[i] + 9 * (i % 3 == 0):.5f}"])
    done = ddp_mlp("data", "import", "t.csv", "--out", "t.h5", "--target", "y", "--split-by", "split", cwd=folder)
    assert done.code == 0, done.err
    (folder / "c.toml").write_text(_TOML.format(data="t.h5", more="valid_fraction = 0.25\n", hidden=16, epochs=30))
    train_here(folder, "run")
    return folder


def test_rows_that_validated_are_told_from_those_that_trained(table):
    model, (train, valid, test) = own_samples(table / "run")
    assert [s.n_rows for s in (train, valid, test)] == [750, 250, 200]
    trained, validated = (len(ids) for ids in who_validates(model.config, None, [type("S", (), {"n_samples": 1000})()]))
    assert (len(train.features), len(valid.features)) == (trained, validated)
    low, high = model.normalization.low, model.normalization.high
    np.testing.assert_array_equal(np.fmin.reduce(train.features, axis=0), low)  # these are the rows that were fitted
    np.testing.assert_array_equal(np.fmax.reduce(train.features, axis=0), high)


def test_health_finds_gaps_constants_and_the_split_that_drifts(table):
    model, samples = own_samples(table / "run")
    found = {one.name: one for one in health_of(model.schema, samples)}
    assert found["same"].remarks == ("constant",)
    assert found["x"].remarks == ("drifts in test",)
    assert found["x"].drift["test"] > 0.25 > 0.15 > found["x"].drift["valid"]
    assert found["noise"].missing == pytest.approx(0.02)
    assert found["noise"].remarks == ()


def test_drift_is_the_distance_of_distributions(rng):
    a = rng.normal(size=500)
    assert drift(a, a) == 0
    assert drift(a, a + 100) == 1
    assert drift(a, np.full(3, np.nan)) == 0
    grid = np.linspace(-5, 5, 2001)
    b = rng.normal(0.5, 2, 300)
    expected = max(abs((a <= v).mean() - (b <= v).mean()) for v in np.concatenate([a, b, grid]))
    assert drift(a, b) == pytest.approx(expected)


def test_features_that_tell_the_target_are_important_and_others_are_not(table):
    model, (_, valid, _) = own_samples(table / "run")
    before = valid.features.copy()
    found = importance_of(model, valid, within_s=60)
    np.testing.assert_array_equal(valid.features, before)
    ranked = {name: (mean, spread) for name, mean, spread in ordered(found)}
    assert list(ranked)[:2] == ["x", "kind"]  # three features of one column are shuffled together
    assert ranked["same"] == (0, 0)
    assert ranked["x"][1] == pytest.approx(statistics.stdev(found.rise[found.names.index("x")]))
    assert ranked["x"][0] > 10 * abs(ranked["noise"][0])
    assert importance_of(model, valid, within_s=0).n_left_out == len(found.names) - 1


def test_a_page_tells_of_data_and_importance(table):
    text = check(write_report([table / "run"]).read_text()).text
    for part in ("750 train", "drifts in test", "1 constant", "Importance of features", "drift to test", "2 %"):
        assert part in text, part
    assert findings_unasked(read_record(table / "run")).reason == ""


def test_images_are_shown_in_patches_and_classes_by_their_part(tmp_path):
    make_data(tmp_path, "digits", None)
    for hidden in ("8", ""):
        (tmp_path / "c.toml").write_text(_TOML.format(data="digits.h5", more="", hidden=hidden, epochs=2))
        train_here(tmp_path, f"run{hidden}")
        text = check(write_report([tmp_path / f"run{hidden}"]).read_text()).text
        assert "Classes: their part of the rows" in text


def test_an_autoencoder_has_important_features_too(tmp_path):
    make_data(tmp_path, "moons", 200)
    config = _TOML.format(data="moons.h5", more="autoencode = true\n", hidden=4, epochs=300)
    (tmp_path / "c.toml").write_text(config)
    train_here(tmp_path, "run")
    model, samples = own_samples(tmp_path / "run")
    assert (importance_of(model, samples[0], within_s=60).rise.mean(axis=1) > 0).all()
