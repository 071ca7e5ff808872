"""The commands as a user sees them, in one process."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import h5py
import numpy as np
import pytest

from tests.runs import ddp_mlp, make_data


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("commands")
    for name, samples in (("xor", 4), ("sine", 200), ("digits", None)):
        make_data(path, name, samples)
    (path / "digits.toml").write_text('[data]\ntrain = "digits.h5"\n[model]\nhidden = [16]\n[train]\nepochs = 3\n')
    (path / "sine.toml").write_text('[data]\ntrain = "sine.h5"\n[model]\nhidden = [8]\n[train]\nepochs = 2\n')
    return path


@pytest.fixture(scope="module")
def trained(folder):
    return {
        name: ddp_mlp("train", f"{name}.toml", "--out", f"run-{name}", "--json", cwd=folder).result
        for name in ("digits", "sine")
    }


def test_the_summary_has_the_promised_keys(trained, folder):
    promised = [
        "status", "epochs", "steps", "train_loss", "valid_loss", "valid_accuracy", "weights_sha256",
        "wall_s", "samples_per_s", "world_size", "micro_batches", "run_dir",
    ]  # fmt: skip
    assert set(promised) <= set(trained["digits"])
    assert trained["digits"]["status"] == "finished"
    assert trained["digits"]["epochs"] == 3
    assert json.loads((folder / "run-digits" / "status.json").read_text())["state"] == "finished"


def test_the_metrics_have_the_promised_columns(trained, folder):
    with (folder / "run-digits" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    promised = [
        "epoch", "step", "train_loss", "valid_loss", "valid_accuracy", "learning_rate", "grad_norm",
        "samples_per_s", "compute_s", "communicate_s", "data_s", "wall_s",
    ]  # fmt: skip
    assert [name for name in rows[0] if name in promised] == promised
    assert float(rows[-1]["train_loss"]) == trained["digits"]["train_loss"]


def test_xor_is_learned_from_data(folder):
    (folder / "xor.toml").write_text(
        '[data]\ntrain = "xor.h5"\nvalid_fraction = 0.0\nnormalize = "none"\n'
        '[model]\nhidden = [8]\nactivation = "tanh"\n'
        '[optimizer]\nname = "momentum"\nlearning_rate = 0.1\n'
        '[train]\nepochs = 200\nearly_stopping_patience = 0\nglobal_batch_size = "full"\n'
        "[checkpoint]\nevery_epochs = 100\n"
    )
    assert ddp_mlp("train", "xor.toml", "--out", "run-xor", cwd=folder).code == 0
    assert ddp_mlp("evaluate", "run-xor", "xor.h5", "--split", "train", "--json", cwd=folder).result["accuracy"] == 1.0


def test_a_straight_line_cannot_learn_xor(folder):
    linear = ["--set", "model.hidden=[]", "--set", "model.activation=relu", "--out", "run-linear"]
    assert ddp_mlp("train", "xor.toml", *linear, cwd=folder).code == 0
    accuracy = ddp_mlp("evaluate", "run-linear", "xor.h5", "--split", "train", "--json", cwd=folder).result["accuracy"]
    assert accuracy <= 0.75


def test_predictions_in_each_format_agree(trained, folder):
    for suffix in ("npy", "csv", "h5"):
        done = ddp_mlp("predict", "run-digits", "digits.h5", "--out", f"p.{suffix}", cwd=folder)
        assert done.code == 0, done.err
    outputs = np.load(folder / "p.npy")
    # Probabilities: ten terms and one division, each rounded once: 16 units of float32 are plenty.
    np.testing.assert_allclose(outputs.sum(axis=1), 1, atol=16 * np.finfo(np.float32).eps)
    with h5py.File(folder / "p.h5") as file:
        np.testing.assert_array_equal(file["outputs"][:], outputs)
        np.testing.assert_array_equal(file["classes"][:], outputs.argmax(axis=1))
    with (folder / "p.csv").open() as file:
        rows = list(csv.reader(file))
    assert len(rows) == 1 + len(outputs)
    assert [int(row[0]) for row in rows[1:]] == outputs.argmax(axis=1).tolist()
    with h5py.File(folder / "digits.h5") as file:
        labels = file["test/targets"][:]
    accuracy = ddp_mlp("evaluate", "run-digits", "digits.h5", "--json", cwd=folder).result["accuracy"]
    assert accuracy == (outputs.argmax(axis=1) == labels).mean()


def test_an_output_is_not_replaced_and_its_kind_must_be_known(trained, folder):
    (folder / "there.npy").write_bytes(b"mine")
    done = ddp_mlp("predict", "run-digits", "digits.h5", "--out", "there.npy", cwd=folder)
    assert (done.code, len(done.error_lines)) == (73, 1)
    assert (folder / "there.npy").read_bytes() == b"mine"
    assert ddp_mlp("predict", "run-digits", "digits.h5", "--out", "p.xlsx", cwd=folder).code == 2


def test_a_model_and_data_that_do_not_fit_are_refused(trained, folder):
    done = ddp_mlp("evaluate", "run-digits", "sine.h5", cwd=folder)
    assert (done.code, len(done.error_lines)) == (65, 1)
    assert "the model has 64" in done.error_lines[0]
    assert ddp_mlp("evaluate", "nowhere", "sine.h5", cwd=folder).code == 66
    assert ddp_mlp("evaluate", "run-sine", "sine.h5", "--split", "bogus", cwd=folder).code == 2
    assert ddp_mlp("evaluate", "sine.h5", "sine.h5", cwd=folder).code == 65


def test_the_likeliest_classes_of_a_regression_are_refused(trained, folder):
    done = ddp_mlp("evaluate", "run-sine", "sine.h5", "--top-k", "2", cwd=folder)
    assert (done.code, done.out, len(done.error_lines)) == (2, "", 1)


def test_dry_run_prints_every_key_and_trains_nothing(folder):
    done = ddp_mlp("train", "sine.toml", "--dry-run", "--out", "dry", cwd=folder)
    assert done.code == 0
    assert "learning_rate = 0.001" in done.out
    assert not (folder / "dry").exists()


def test_the_demo_runs_twice_and_says_where_all_is(tmp_path):
    for run in ("run-1", "run-2"):
        done = ddp_mlp("demo", "-n", "1", cwd=tmp_path)
        assert done.code == 0, done.err
        assert f"ddp-mlp-demo/{run}/ (report.html" in done.err
        assert "64 - 64 - 64 - 10, relu" in (tmp_path / "ddp-mlp-demo" / run / "report.html").read_text()
        assert "accuracy" in done.out


@pytest.mark.parametrize(
    "command", ["demo", "data", "train", "launch", "evaluate", "predict", "search", "cross-validate"]
)
def test_help_of_each_command(command, tmp_path):
    done = ddp_mlp(command, "--help", cwd=tmp_path)
    assert done.code == 0
    assert done.out.startswith(f"Usage: ddp-mlp {command}")


def test_help_imports_neither_mpi_nor_numba_nor_h5py_nor_numpy():
    code = (
        "import sys; from click.testing import CliRunner; from ddp_mlp.cli.main import cli; "
        "assert CliRunner().invoke(cli, ['--help']).exit_code == 0; "
        "print([m for m in ('mpi4py', 'numba', 'h5py', 'scipy', 'numpy', 'msgspec') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
