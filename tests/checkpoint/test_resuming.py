"""A run that began with the defaults of an earlier version goes on with them."""

from __future__ import annotations

import pytest

from ddp_mlp.config.defaults import EARLIER_DEFAULTS
from ddp_mlp.errors import literal
from tests.runs import ddp_mlp, prepare, train_here

CONFIG = '[data]\ntrain = "sine.h5"\n[model]\nhidden = [6]\n[train]\nmicro_batches = 2\n'
EARLIER = [f"{name}.{key}={literal(value)}" for name, keys in EARLIER_DEFAULTS.items() for key, value in keys.items()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = prepare(tmp_path_factory.mktemp("earlier"), CONFIG, "sine", 500)
    train_here(path, "whole", *EARLIER)
    return path


def stopped(folder, name, *more):
    """Begin a run as an earlier version did, and stop it after a step."""
    assert train_here(folder, name, *EARLIER, *more, max_time_s=1e-9)["status"] == "stopped"


@pytest.mark.parametrize("out", [["--out", "runs/c"], []])
def test_nobody_has_to_say_the_earlier_defaults(folder, out):
    stopped(folder, "runs/c")
    done = ddp_mlp("train", "c.toml", "--resume", *out, "--json", cwd=folder)
    whole = ddp_mlp("train", "c.toml", "--resume", "--out", "whole", "--json", cwd=folder)
    assert (done.result["run_dir"], done.result["epochs"]) == ("runs/c", 10)
    assert done.result["weights_sha256"] == whole.result["weights_sha256"]
    line = next(line for line in done.err.splitlines() if "before defaults changed" in line)
    for name in ("optimizer.name = 'sgd'", "train.global_batch_size = 128", "data.normalize_targets = 'none'"):
        assert name in line
    (folder / "runs" / "c").rename(folder / f"done-{len(out)}")


def test_what_somebody_sets_is_compared(folder):
    stopped(folder, "asked")
    again = ["train", "c.toml", "--resume", "--out", "asked", "--set"]
    refused = ddp_mlp(*again, "optimizer.name=adam", cwd=folder)
    assert (refused.code, len(refused.error_lines)) == (78, 1)
    assert "[optimizer] name: 'sgd' in the checkpoint, 'adam' now" in refused.err
    assert ddp_mlp(*again, "train.epochs=12", "--json", cwd=folder).result["epochs"] == 12


def test_a_run_of_today_goes_on_with_the_defaults_of_today(folder):
    assert train_here(folder, "today", max_time_s=1e-9)["status"] == "stopped"
    done = ddp_mlp("train", "c.toml", "--resume", "--out", "today", "--set", "train.epochs=3", "--json", cwd=folder)
    assert done.result["weights_sha256"] == train_here(folder, "today-whole", "train.epochs=3")["weights_sha256"]
    assert "before defaults changed" not in done.err
