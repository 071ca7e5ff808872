"""How steps of a peer are timed: every form it offers, and the fastest one counts."""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable
from time import perf_counter

import numpy as np

from benchmarks.works import N_ROWS, WORKS, Work

#: Seconds of stepping behind each figure, and figures behind each median; as for ours.
SECONDS, ROUNDS = 0.4, 5

#: Takes a number of steps, runs at least so many to their end, and returns seconds a step.
Runner = Callable[[int], float]


def rows(work: Work) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return features (N, F) float32, labels (N,) int64, and a random order of the rows; the same as ours."""
    rng = np.random.default_rng(0)
    features = rng.random((N_ROWS, work.sizes[0]), dtype=np.float32)
    labels = rng.integers(0, work.sizes[-1], N_ROWS)
    return features, labels, np.random.default_rng(1).permutation(N_ROWS)


#: Makes a runner; to make one may take long.
Form = Callable[[], Runner]


def choose(forms: dict[str, Form], known: str = "", agree: Callable[[int], int] = int) -> dict[str, object]:
    """Time every form shortly, and the fastest one thoroughly.

    Parameters
    ----------
    known : str
        The form that an earlier process found to be the fastest; nothing to find it here.
    agree : callable
        Makes a number the same in all processes, since all must take as many steps.
    """
    runners = {name: make() for name, make in forms.items() if not known or name == known}
    shortly = {name: _shortly(run, agree) for name, run in runners.items()}
    names = list(runners)
    best = names[agree(names.index(min(shortly, key=shortly.__getitem__)))]
    n = max(1, agree(int(SECONDS / shortly[best])))
    figures = [runners[best](n) * 1e6 for _ in range(ROUNDS)]
    return {"us": statistics.median(figures), "rounds": figures, "form": best}


def _shortly(run: Runner, agree: Callable[[int], int]) -> float:
    """Warm up, and return seconds a step from a quarter of the usual time."""
    run(2)
    return run(max(1, agree(int(SECONDS / 4 / run(2)))))


def since(started: float, n_steps: int) -> float:
    """Return seconds a step."""
    return (perf_counter() - started) / n_steps


def options_of(description: str | None) -> argparse.Namespace:
    """Read the command line that all peers share: works, --optimizer, --dtype, --threads, --forms."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("works", nargs="+", choices=list(WORKS))
    parser.add_argument("--optimizer", default="momentum")
    parser.add_argument("--dtype", default="float32", help="bfloat16 where a peer has it")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--forms", type=json.loads, default={}, help="JSON: work -> the form to time")
    return parser.parse_args()
