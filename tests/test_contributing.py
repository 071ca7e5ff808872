"""The recipes of CONTRIBUTING.md, followed from outside: one entry of each kind is added, and trained with."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiers import THOROUGH

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"```python\n# (\S+), (above|in|imports)(?: (\w+))?\n(.*?)```", re.DOTALL)
CONFIG = """
[data]
train = "sine.h5"
[model]
hidden = [6, 5]
activation = ["softsign", "tanh"]
softsign_width = 0.5
[loss]
name = "huber"
huber_width = 0.4
l2 = 1e-4
[optimizer]
name = "signum"
learning_rate = 0.01
[schedule]
name = "inverse_root"
slow_steps = 50
[train]
epochs = 30
global_batch_size = 50
dtype = "float64"
"""


def recipes() -> list[tuple[str, str, str, str]]:
    """Return file, place, table and code of each block."""
    return BLOCK.findall((ROOT / "CONTRIBUTING.md").read_text())


def follow(folder: Path) -> None:
    """Apply the blocks to the package in a folder: functions above a table, entries at its end."""
    for name, place, table, code in recipes():
        path = folder / name
        text = path.read_text()
        if place == "imports":
            at = text.index("\nfrom ddp_mlp") + 1
        elif place == "above":
            at = re.search(rf"^{table}: ", text, re.MULTILINE).start()
            code += "\n\n"
        else:
            at = text.index("\n}", text.index(f"\n{table}: ")) + 1
        path.write_text(text[:at] + code + text[at:])


def test_there_is_a_recipe_for_each_family() -> None:
    assert {table for _, place, table, _ in recipes() if place == "in"} == {
        "ACTIVATIONS", "LOSSES", "OPTIMIZERS", "SCHEDULES",
    }  # fmt: skip


def test_recipes_can_be_followed(tmp_path: Path) -> None:
    """The configuration knows the new names and their keys, and passes its usual checks on them."""
    shutil.copytree(ROOT / "ddp_mlp", tmp_path / "ddp_mlp", ignore=shutil.ignore_patterns("__pycache__"))
    follow(tmp_path)
    (tmp_path / "c.toml").write_text(CONFIG)
    code = """
from pathlib import Path
from ddp_mlp.config import as_toml, load_config
print(as_toml(load_config(Path("c.toml"), ["model.softsign_width=0.25"])))
for wrong in (
    ["model.activation=softsine", "model.softsign_width=-1", "loss.huber_widht=1"],
    ["optimizer.name=sgd", "optimizer.beta1=0.5", "schedule.name=constant"],
):
    try:
        load_config(Path("c.toml"), wrong)
    except Exception as error:
        print(error)
"""
    done = run(tmp_path, "-c", code)
    for text in ("softsign_width = 0.25", "huber_width = 0.4", "beta1 = 0.9", "slow_steps = 50"):
        assert text in done
    for text in ("did you mean 'softsign'?", "softsign_width = -1: must be", "did you mean 'huber_width'?"):
        assert text in done
    assert "beta1 does not apply to 'sgd'; it belongs to adam, adamw, lamb, signum" in done
    assert "slow_steps does not apply to 'constant'; it belongs to inverse_root" in done


def run(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(folder), "DDP_MLP_CACHE_DIR": str(folder / "cache")}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.timeout(900)
@THOROUGH
def test_what_the_recipes_add_trains(tmp_path: Path) -> None:
    """In float64, like the gradient check, so that kernels are compiled once."""
    shutil.copytree(ROOT / "ddp_mlp", tmp_path / "ddp_mlp", ignore=shutil.ignore_patterns("__pycache__"))
    follow(tmp_path)
    (tmp_path / "c.toml").write_text(CONFIG)
    run(tmp_path, "-m", "ddp_mlp", "data", "make", "sine", "--samples", "300", "--out", "sine.h5")
    checked = json.loads(run(tmp_path, "-m", "ddp_mlp", "gradcheck", "c.toml", "--json"))
    assert checked["passed"], checked
    result = json.loads(run(tmp_path, "-m", "ddp_mlp", "train", "c.toml", "--out", "r", "--json"))
    assert result["status"] == "finished"
    names, *rows = (row.split(",") for row in (tmp_path / "r" / "metrics.csv").read_text().splitlines())
    losses, rates = ([float(row[names.index(name)]) for row in rows] for name in ("train_loss", "learning_rate"))
    assert losses[-1] < losses[0] / 2
    assert rates[-1] == pytest.approx(0.01 / (1 + (6 * 30 - 1) / 50) ** 0.5)
