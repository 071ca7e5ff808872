"""A user's mistake is one line from one rank, the right exit code, no traceback and no hang."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest

from tests.runs import ddp_mlp

pytestmark = pytest.mark.mpi


def write(path, features, targets, **groups):
    with h5py.File(path, "w") as file:
        file["train/features"] = features
        if targets is not None:
            file["train/targets"] = targets
        for name, value in groups.items():
            file.attrs[name] = value


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("bad")
    x = np.arange(40, dtype=np.float32).reshape(10, 4)
    y = np.arange(10) % 3
    bad = x.copy()
    bad[7, 2] = np.nan
    write(path / "good.h5", x, y)
    write(path / "nan.h5", bad, y)
    write(path / "missing.h5", x, None)
    write(path / "mismatched.h5", x, y[:9])
    write(path / "empty.h5", x[:0], y[:0])
    write(path / "labels.h5", x, np.where(y == 2, -1, y))
    (path / "text.h5").write_text("this is not HDF5\n")
    (path / "file").write_text("")
    (path / "c.toml").write_text('[data]\ntrain = "good.h5"\n[model]\nhidden = [4]\n[train]\nepochs = 2\n')
    (path / "broken.toml").write_text("[data\n")
    (path / "latin.toml").write_bytes(b'[data]\ntrain = "\xe9.h5"\n')
    return path


DIVERGING = ["--set", "optimizer.learning_rate=1e38", "--set", "data.normalize=none"]
TIED = ["--set", "model.tied=true"]
CASES = {
    "no such data file": (66, ["--set", "data.train=nope.h5"], "nope.h5: no such file"),
    "not HDF5": (65, ["--set", "data.train=text.h5"], "not an HDF5 file"),
    "array missing": (65, ["--set", "data.train=missing.h5"], "targets"),
    "lengths differ": (65, ["--set", "data.train=mismatched.h5"], "10"),
    "no samples": (65, ["--set", "data.train=empty.h5"], "empty.h5"),
    "not a number": (65, ["--set", "data.train=nan.h5"], "row 7"),
    "negative label": (65, ["--set", "data.train=labels.h5", "--set", "data.task=binary"], "labels.h5"),
    "two wrong values": (2, ["--set", "train.epochs=0", "--set", "model.hiden=[3]"], "did you mean 'hidden'"),
    "wrong pair": (2, ["--set", "loss.name=mse"], "allowed: cross_entropy"),
    "trained step": (2, ["--set", "model.activation=step"], "slope is 0"),
    "probability of 1": (2, ["--set", "model.dropout=1.0"], "dropout"),
    "momentum of 1": (2, ["--set", "optimizer.name=momentum", "--set", "optimizer.momentum=1.0"], "momentum"),
    "tied without a mirror": (2, ["--set", "data.autoencode=true", "--set", "model.hidden=[4,2,3]", *TIED], "mirror"),
    "line search of parts": (2, ["--set", "optimizer.name=line_search"], 'global_batch_size = "full"'),
    "shifted without images": (2, ["--set", "data.augment.shift=1"], "image_shape"),
    "unknown option": (2, ["--bogus"], "--bogus"),
    "layers beyond all memory": (2, ["--set", "model.hidden=[10000000,100000]"], "GiB at least, but this machine has"),
    "name that is no text": (2, ["--out", "a\x1b[2J\nb"], "use a name without line breaks"),
    "name without end": (73, ["--out", "x" * 10_000], "File name too long"),
    "output is a file": (73, ["--out", "file/run"], "file/run"),
    "non-finite": (
        79,
        [*DIVERGING, "--set", "checkpoint.every_epochs=9", "--out", "diverged"],
        "the update was not applied",
    ),
    "non-finite weights": (79, [*DIVERGING, "--out", "weights-diverged"], "nothing was saved from them"),
}


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("case", CASES)
def test_one_line_and_the_exit_code(folder, case, ranks, request):
    code, arguments, phrase = CASES[case]
    out = [] if "--out" in arguments else ["--out", f"run-{ranks}-{case.replace(' ', '-')}"]
    arguments = [f"{a}-{ranks}" if a.endswith("diverged") else a for a in arguments]
    done = ddp_mlp("train", "c.toml", *arguments, *out, cwd=folder, ranks=ranks)
    assert done.code == code, done.err
    assert len(done.error_lines) == 1, done.err
    assert phrase in done.error_lines[0]
    assert "Traceback" not in done.err
    assert done.out == ""


@pytest.mark.parametrize(("name", "code"), [("nope.toml", 66), ("broken.toml", 2), ("latin.toml", 2)])
def test_a_configuration_that_cannot_be_read(folder, name, code):
    done = ddp_mlp("train", name, cwd=folder)
    assert (done.code, len(done.error_lines)) == (code, 1), done.err
    assert name in done.error_lines[0]


def test_more_ranks_than_micro_batches_says_what_to_set(folder):
    done = ddp_mlp("train", "c.toml", "--set", "train.micro_batches=2", "--out", "many", cwd=folder, ranks=3)
    assert done.code == 2
    assert len(done.error_lines) == 1
    assert "micro_batches = 4" in done.error_lines[0]


def test_a_run_is_not_overwritten_and_a_misfit_not_resumed(folder):
    first = ddp_mlp("train", "c.toml", "--out", "kept", "--json", cwd=folder).result
    again = ddp_mlp("train", "c.toml", "--out", "kept", cwd=folder, ranks=2)
    assert (again.code, len(again.error_lines)) == (2, 1)
    assert "--resume" in again.error_lines[0]
    misfit = ddp_mlp("train", "c.toml", "--set", "model.hidden=[5]", "--out", "kept", "--resume", cwd=folder, ranks=2)
    assert (misfit.code, len(misfit.error_lines)) == (78, 1), misfit.err
    assert "[model] hidden: [4] in the checkpoint, [5] now" in misfit.error_lines[0]
    finished = ddp_mlp("train", "c.toml", "--out", "kept", "--resume", "--json", cwd=folder).result
    assert finished["weights_sha256"] == first["weights_sha256"]


def test_the_status_tells_why_a_run_failed(folder):
    done = ddp_mlp("train", "c.toml", "--set", "data.train=nan.h5", "--out", "told", cwd=folder, ranks=2)
    status = json.loads((folder / "told" / "status.json").read_text())
    assert (status["state"], status["exit_code"]) == ("failed", 65)
    assert done.error_lines == [f"error: {status['reason']}"]


def test_help_and_version_start_no_mpi(folder):
    for arguments in (["--help"], ["train", "--help"], ["--version"]):
        done = ddp_mlp(*arguments, cwd=folder, MPI4PY_LIBMPI="/nonexistent", PMI_SIZE="2", PMI_RANK="0")
        assert done.code == 0, done.err
        assert "ddp-mlp" in done.out
        # Variables alone make no rank: whoever is not joined to others is not silent.
        assert ddp_mlp(*arguments, cwd=folder, PMI_SIZE="2", PMI_RANK="1").out == done.out


def test_a_launcher_that_does_not_match_is_refused_before_anything_is_written(folder):
    done = ddp_mlp("train", "c.toml", "--out", "single", cwd=folder, SLURM_STEP_NUM_TASKS="4", SLURM_PROCID="0")
    assert (done.code, len(done.error_lines)) == (76, 1), done.err
    assert not (folder / "single").exists()
