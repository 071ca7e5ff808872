"""``python -m benchmarks startup``: seconds from start to `--help`, and to the first step.

Warm means that the kernels lie compiled in the cache, cold that it is empty. The data set is
a thousand points, so that reading them takes no time. With `--imports` the slowest imports of a
warm start are listed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.machine import Watch, description
from benchmarks.reporting import markdown, save

_CONFIG = '[data]\ntrain = "moons.h5"\n[model]\nhidden = [16]\n[train]\nepochs = 1\nglobal_batch_size = 100\n'

#: Seconds that the first step may take.
TARGETS = {"1 rank, warm": 0.8, "2 ranks, warm": 1.1, "cold": 12.0}


def _run(command: Sequence[str], folder: Path, **environment: str) -> str:
    env = {**os.environ, "DDP_MLP_PROGRESS": "none", "PYTHONPATH": os.getcwd(), **environment}  # noqa: PTH109
    done = subprocess.run(command, cwd=folder, env=env, check=False, timeout=300, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    return done.stderr


def first_step(folder: Path, ranks: int, cache: Path) -> float:
    """Return the seconds from the start of the command to the end of its first step."""
    noted = folder / "first"
    train = [sys.executable, "-m", "benchmarks.first_step", "train", "moons.toml"]
    if ranks > 1:
        from ddp_mlp.cluster.launch.launchers import find_launcher

        train = [find_launcher().path, "-n", str(ranks), *train]
    with tempfile.TemporaryDirectory(dir=folder) as out:
        started = time.time()
        # What the cache lacks is looked for in that of the user, and in one in the directory for temporary files.
        place = {"DDP_MLP_CACHE_DIR": str(cache), "XDG_CACHE_HOME": str(cache), "TMPDIR": str(folder)}
        _run([*train, "--out", f"{out}/run"], folder, **place, FIRST_STEP_FILE=str(noted))
    return float(noted.read_text()) - started


def help_s(folder: Path) -> float:
    """Return the seconds that `--help` takes."""
    started = time.time()
    _run([sys.executable, "-m", "ddp_mlp", "--help"], folder)
    return time.time() - started


def slowest_imports(folder: Path, cache: Path, n: int = 25) -> list[str]:
    """Return the modules that take longest by themselves, in microseconds, as `-X importtime` has it."""
    with tempfile.TemporaryDirectory(dir=folder) as out:
        command = [sys.executable, "-X", "importtime", "-m", "ddp_mlp", "train", "moons.toml", "--out", f"{out}/run"]
        lines = _run(command, folder, DDP_MLP_CACHE_DIR=str(cache)).splitlines()
    found = [line.removeprefix("import time:").split("|") for line in lines if line.startswith("import time:")]
    timed = [(int(own), name.strip()) for own, _, name in found if own.strip().isdigit()]
    return [f"{own:>9} {name}" for own, name in sorted(timed, reverse=True)[:n]]


def measure(folder: Path, rounds: int, cold_rounds: int) -> tuple[dict[str, list[float]], Path]:
    """Return the seconds of everything, by label, and a warm cache."""
    (folder / "moons.toml").write_text(_CONFIG)
    _run([sys.executable, "-m", "ddp_mlp", "data", "make", "moons", "--samples", "1000", "--out", "moons.h5"], folder)
    caches = [folder / f"cache-{i}" for i in range(max(1, cold_rounds))]
    cold = [first_step(folder, 1, cache) for cache in caches]
    warm: dict[str, list[float]] = {"--help": [], "first step, 1 rank, warm": [], "first step, 2 ranks, warm": []}
    for _ in range(rounds):
        for seconds, ranks in zip(warm.values(), (0, 1, 2), strict=True):
            seconds.append(first_step(folder, ranks, caches[0]) if ranks else help_s(folder))
    return warm | ({"first step, 1 rank, cold": cold} if cold_rounds else {}), caches[0]


def row(label: str, seconds: Sequence[float]) -> list[str]:
    """Return a line of the table."""
    median = statistics.median(seconds)
    target = next((limit for word, limit in TARGETS.items() if label.endswith(word)), None)
    verdict = f"{'yes' if median <= target else 'no'} (<= {target:g})" if target else ""
    return [label, f"{median:.2f} [{min(seconds):.2f}..{max(seconds):.2f}]", verdict]


def main(arguments: Sequence[str]) -> None:
    """Measure, print and save the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks startup", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="of all that is warm [%(default)s]")
    parser.add_argument("--cold-rounds", type=int, default=1, help="each takes ten seconds or more [%(default)s]")
    parser.add_argument("--imports", action="store_true", help="list the slowest imports too")
    options = parser.parse_args(arguments)
    watch = Watch()
    with tempfile.TemporaryDirectory() as name:
        figures, cache = measure(Path(name), options.rounds, options.cold_rounds)
        imports = slowest_imports(Path(name), cache) if options.imports else []
    table = markdown(["seconds from start", "median [range]", "target"], [row(*item) for item in figures.items()])
    listed = ["", "slowest imports, microseconds by themselves:", *imports] if imports else []
    text = [description(), watch.verdict(), "", table, *listed]
    save("startup", "\n".join(text), {"machine": description(), "seconds": figures})
