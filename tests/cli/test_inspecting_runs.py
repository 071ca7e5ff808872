"""``compare`` and ``checkpoint``: what a run left, and whether another has the same bits."""

from __future__ import annotations

import json
import shutil

import pytest

from tests.runs import ddp_mlp, prepare


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    config = '[data]\ntrain = "moons.h5"\n[model]\nhidden = [6]\n[train]\nepochs = 3\nmicro_batches = 2\n'
    path = prepare(tmp_path_factory.mktemp("inspecting"), config, "moons", 80)
    for name, extra in (
        ("a", []),
        ("b", []),
        ("other", ["--set", "train.seed=1"]),
        ("short", ["--set", "train.epochs=2"]),
    ):
        assert ddp_mlp("train", "c.toml", "--out", name, *extra, cwd=path).code == 0
    return path


def test_two_equal_runs(folder):
    done = ddp_mlp("compare", "a", "b", "--json", cwd=folder)
    same = {"same_bits": True, "epochs_compared": 3, "not_comparable": [], "first_difference": None, "layers": []}
    assert done.result == same
    assert ddp_mlp("compare", "a", "b", cwd=folder).out == "same bits, over 3 epochs\n"


def test_two_runs_that_differ_from_the_start(folder):
    done = ddp_mlp("compare", "a", "other", "--json", cwd=folder)
    assert done.code == 1
    result = json.loads(done.out)
    assert result["first_difference"]["epoch"] == 1
    assert "layer1.weight" in result["first_difference"]["layers"]
    assert result["layers"][0]["largest_difference"] > 0


def test_a_longer_run_is_not_the_same(folder):
    done = ddp_mlp("compare", "a", "short", cwd=folder)
    assert done.code == 1
    assert done.out.startswith("the 2 epochs that both have are the same bits")


def test_the_first_epoch_and_layer_that_differ_are_named(folder):
    shutil.copytree(folder / "a", folder / "changed")
    table = folder / "changed" / "hashes.csv"
    header, *rows = table.read_text().splitlines()
    cells = rows[1].split(",")
    cells[header.split(",").index("weights_sha256")] = "0" * 64
    cells[header.split(",").index("layer2.bias")] = "0" * 16
    table.write_text("\n".join([header, rows[0], ",".join(cells), *rows[2:]]) + "\n")
    result = json.loads(ddp_mlp("compare", "a", "changed", "--json", cwd=folder).out)
    assert (result["first_difference"]["epoch"], result["first_difference"]["layers"]) == (2, ["layer2.bias"])


def test_what_is_no_run_is_refused(folder):
    assert ddp_mlp("compare", "a", "nowhere", cwd=folder).code == 66


def test_checkpoints_are_listed_shown_and_verified(folder):
    shutil.copytree(folder / "a", folder / "damaged")
    newest = max((folder / "damaged" / "checkpoints").iterdir())
    newest.write_bytes(newest.read_bytes()[:-1])
    listed = ddp_mlp("checkpoint", "list", "damaged", "--json", cwd=folder).result["checkpoints"]
    assert [entry["good"] for entry in listed] == [False, True, True]
    assert "cut short" in listed[0]["reason"]
    shown = ddp_mlp("checkpoint", "show", "damaged", "--json", cwd=folder).result
    assert (shown["epoch"], shown["micro_batches"], shown["config"]["model"]["hidden"]) == (2, 2, [6])
    assert shown["written_by"]["world_size"] == 1
    assert ddp_mlp("checkpoint", "verify", "damaged", cwd=folder).code == 65
    assert ddp_mlp("checkpoint", "verify", "a", cwd=folder).code == 0
    good = ddp_mlp(
        "checkpoint", "show", str(newest.parent.parent.parent / "a" / "checkpoints" / newest.name), "--json", cwd=folder
    )
    assert good.result["weights_sha256"] in (folder / "a" / "hashes.csv").read_text()
    assert ddp_mlp("checkpoint", "list", ".", cwd=folder).code == 66


@pytest.mark.parametrize("what", ["list", "show", "verify"])
def test_a_checkpoint_that_is_not_there_is_missing_and_not_bad(folder, what):
    ended = ddp_mlp("checkpoint", what, "nowhere.h5", cwd=folder)
    assert (ended.code, ended.out) == (66, "")
    assert ended.err.count("nowhere.h5") == 1
