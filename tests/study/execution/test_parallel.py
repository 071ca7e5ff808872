"""Trials at once: in processes that a process alone starts, and in groups of ranks."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.inside import clean_environment
from tests.runs import ddp_mlp

CONFIG = """
[data]
train = "moons.h5"
[model]
hidden = [6]
[train]
epochs = 2
global_batch_size = 16
early_stopping_patience = 0
"""
SEEDS = [
    "--try",
    "train.seed=[1, 2, 3, 4, 5]",
    "--try",
    "optimizer.learning_rate=[0.01, 1e30]",
    "--set",
    "loss.name=mse",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("parallel")
    assert ddp_mlp("data", "make", "moons", "--samples", "60", "--out", "moons.h5", cwd=path).code == 0
    (path / "c.toml").write_text(CONFIG)
    return path


def hashes(done):
    trials = done.result["trials"]
    return sorted((t["name"], t["status"], t.get("model_sha256"), t.get("weights_sha256")) for t in trials)


@pytest.fixture(scope="module")
def one_by_one(folder):
    return hashes(ddp_mlp("search", "c.toml", *SEEDS, "--parallel", "1", "--out", "one", "--json", cwd=folder))


def test_processes_give_the_bits_of_solo_runs_and_survive_trials_that_diverge(folder, one_by_one):
    done = ddp_mlp("search", "c.toml", *SEEDS, "--parallel", "2", "--out", "two", "--json", cwd=folder)
    assert hashes(done) == one_by_one
    assert {t["exit_code"] for t in done.result["trials"] if t["status"] == "failed"} == {79}
    solo = ddp_mlp("train", "two/trial-005/config.toml", "--set", "data.train=moons.h5", "--out", "solo", "--json",
                   cwd=folder)  # fmt: skip
    assert ("trial-005", "finished", solo.result["model_sha256"], solo.result["weights_sha256"]) in one_by_one
    again = ddp_mlp("search", "c.toml", *SEEDS, "--parallel", "2", "--out", "two", "--resume", "--json", cwd=folder)
    assert hashes(again) == one_by_one


@pytest.mark.mpi
@pytest.mark.parametrize(("ranks", "at_once"), [(2, "2"), (3, "2"), (3, "auto")])
def test_groups_of_ranks_give_the_bits_of_solo_runs(folder, one_by_one, ranks, at_once):
    out = f"ranks-{ranks}-{at_once}"
    done = ddp_mlp("search", "c.toml", *SEEDS, "--parallel", at_once, "--out", out, "--json", cwd=folder, ranks=ranks)
    assert hashes(done) == one_by_one
    sizes = {t["world_size"] for t in done.result["trials"] if t["status"] == "finished"}
    assert sizes == {1} if ranks == 2 else sizes <= {1, 2, 3}


@pytest.mark.mpi
def test_folds_at_once_have_the_figures_of_folds_one_by_one(folder):
    one = ddp_mlp("cross-validate", "c.toml", "--folds", "3", "--out", "f1", "--json", cwd=folder).result
    two = ddp_mlp("cross-validate", "c.toml", "--folds", "3", "--parallel", "2", "--out", "f2", "--json", cwd=folder)
    ranks = ddp_mlp(
        "cross-validate", "c.toml", "--folds", "3", "--parallel", "2", "--out", "f3", "--json", cwd=folder, ranks=2
    )
    for other in (two.result, ranks.result):
        assert [run["weights_sha256"] for run in other["runs"]] == [run["weights_sha256"] for run in one["runs"]]
        assert {n: m["mean"] for n, m in other["metrics"].items()} == {n: m["mean"] for n, m in one["metrics"].items()}


@pytest.mark.mpi
def test_a_study_whose_groups_have_not_all_trained_comes_to_its_end(folder):
    """Of three runs two are over, so that one of the groups trains and the other has nothing loaded: all meet after."""
    for kind, count, last in (("ensemble", "--members", "member-3"), ("cross-validate", "--folds", "fold-2")):
        words = (kind, "c.toml", count, "3", "--parallel", "2", "--out", f"{kind}-again", "--json")
        first = ddp_mlp(*words, cwd=folder, ranks=2)
        shutil.rmtree(folder / f"{kind}-again" / last)
        again = ddp_mlp(*words, "--resume", cwd=folder, ranks=2)
        assert again.code == 0, again.err
        assert again.result["metrics"] == first.result["metrics"]


@pytest.mark.mpi
def test_more_trials_at_once_than_ranks_are_refused(folder):
    done = ddp_mlp("search", "c.toml", *SEEDS, "--parallel", "3", "--out", "many", "--json", cwd=folder, ranks=2)
    assert (done.code, len(done.error_lines)) == (2, 1)
    assert "there are 2 ranks" in done.err


def test_threads_become_trials_at_once(folder, one_by_one):
    done = ddp_mlp("search", "c.toml", *SEEDS, "--threads-per-rank", "2", "--out", "threads", "--json", cwd=folder)
    assert hashes(done) == one_by_one
    assert {t["threads_per_rank"] for t in done.result["trials"] if t["status"] == "finished"} == {1}


def start(folder, out, *options):
    """Start a study of long trials in two processes, and return it once each of them trains."""
    command = [
        sys.executable, "-m", "ddp_mlp", "search", "c.toml", "--try", "train.seed=[1, 2, 3]", "--set",
        "train.epochs=15000", "--set", "checkpoint.every_epochs=50", "--parallel", "2", "--out", out, "--json",
        *options,
    ]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=folder, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 60
    while len(begun_trials(folder / out)) < 2 and time.monotonic() < until:
        time.sleep(0.02)
    return process


def begun_trials(study):
    return {checkpoint.parents[1] for checkpoint in study.glob("trial-*/checkpoints/step-*")}


def children(process):
    return [int(child) for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def is_gone(process):
    """Tell whether a process ends in time."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        with suppress(OSError):
            if Path(f"/proc/{process}/stat").read_text().split()[2] != "Z":
                time.sleep(0.01)
                continue
        return True
    return False


@pytest.fixture(scope="module")
def undisturbed(folder):
    process = start(folder, "whole")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return sorted((t["name"], t["weights_sha256"]) for t in json.loads(out)["trials"])


@pytest.mark.parametrize("fault", ["SIGTERM", "SIGINT", "SIGKILL", "a child"])
def test_a_study_that_is_stopped_or_killed_goes_on_to_the_same_bits(folder, undisturbed, fault):
    process = start(folder, fault)
    if fault == "a child":
        os.kill(children(process)[0], signal.SIGKILL)
    else:
        left = children(process)
        process.send_signal(signal.Signals[fault])
    out, err = process.communicate(timeout=120)
    if fault == "a child":
        assert process.returncode == 0, err
    else:
        assert process.returncode == (-9 if fault == "SIGKILL" else 75), err
        assert all(map(is_gone, left))
        process = start(folder, fault, "--resume")
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    assert sorted((t["name"], t["weights_sha256"]) for t in json.loads(out)["trials"]) == undisturbed


def test_a_process_that_hangs_is_ended_and_its_trial_fails(folder, undisturbed):
    process = start(folder, "hangs", "--set", "train.timeout_s=3")
    os.kill(children(process)[0], signal.SIGSTOP)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    by_status = {}
    for trial in json.loads(out)["trials"]:
        by_status.setdefault(trial["status"], []).append(trial)
    assert [trial["exit_code"] for trial in by_status["failed"]] == [80]
    assert len(by_status["finished"]) == 2
    assert {(t["name"], t["weights_sha256"]) for t in by_status["finished"]} <= set(undisturbed)
    status = json.loads((folder / "hangs" / by_status["failed"][0]["name"] / "status.json").read_text())
    assert (status["state"], status["exit_code"]) == ("failed", 80)
