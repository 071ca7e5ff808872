"""The time to the first step, measured as the benchmark does."""

from __future__ import annotations

from pathlib import Path

from benchmarks.startup import first_step, row
from ddp_mlp.cache_directory import cache_root
from tests.runs import make_data

CONFIG = '[data]\ntrain = "moons.h5"\nvalid_fraction = 0.1\n[model]\nhidden = [4]\n[train]\nepochs = 1\n'


def test_the_first_step_is_noted_while_the_command_runs_as_it_does(tmp_path: Path) -> None:
    make_data(tmp_path, "moons", 200)
    (tmp_path / "moons.toml").write_text(CONFIG)
    assert first_step(tmp_path, 1, cache_root()) > 0


def test_each_start_has_its_target() -> None:
    assert row("first step, 2 ranks, warm", [1.0, 1.2, 1.3]) == [
        "first step, 2 ranks, warm",
        "1.20 [1.00..1.30]",
        "no (<= 1.1)",
    ]
    assert row("--help", [0.1])[2] == ""
