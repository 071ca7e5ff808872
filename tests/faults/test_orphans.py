"""Processes of a job are killed and stopped: five seconds later nothing of it is left, and no file."""

from __future__ import annotations

import random
from functools import partial

import pytest

from tests.faults.jobs import Job, make_folder
from tests.faults.orphans import NOTHING_LEFT_S, Attack, attack, roles
from tests.tiers import thorough

pytestmark = pytest.mark.mpi

_EVERYBODY = ("launch", "mpiexec", "proxy")
#: When, who is stopped and who is killed, and how many ranks there are.
CASES = (
    ("importing", Attack(0.0, _EVERYBODY, ("ranks",)), 2),
    ("training", Attack(0.0, ("launch",), ("mpiexec", "proxy", "ranks")), 2),
    ("training", Attack(0.0, ("launch",), ("rank",)), 1),
    ("training", Attack(0.0, ("rank",), ("proxy", "ranks")), 2),
)
MORE_CASES = (
    ("training", Attack(0.0, _EVERYBODY, ("ranks",)), 2),
    ("training", Attack(0.0, ("mpiexec",), ("proxy", "launch")), 2),
    ("training", Attack(0.0, ("proxy",), ("mpiexec",)), 2),
    ("training", Attack(0.0, ("rank",), ("proxy",)), 2),
    ("importing", Attack(0.0, ("proxy",), ("mpiexec",)), 2),
    ("importing", Attack(0.0, ("rank",), ("proxy", "ranks")), 2),
    ("compiling", Attack(2.0, _EVERYBODY, ("rank",), cold=True), 2),
)


def has_come(when: str, started: Job) -> bool:
    """Tell whether a job stands where it is to be attacked."""
    if when == "importing":
        return "rank" in roles(started)
    return "compiling kernels" in started.err if when == "compiling" else (started.run / "checkpoints").exists()


@pytest.mark.parametrize("cases", [CASES, thorough(MORE_CASES)])
def test_nothing_outlives_a_job(tmp_path, cases):
    folder, rng = make_folder(tmp_path), random.Random(0)  # noqa: S311
    failed = []
    for when, plan, ranks in cases:
        outcome = attack(folder, plan, rng, until=partial(has_come, when), ranks=ranks)
        if outcome.left or outcome.files or not outcome.victims or outcome.seconds > NOTHING_LEFT_S:
            failed.append((when, str(plan), outcome))
    assert failed == []
