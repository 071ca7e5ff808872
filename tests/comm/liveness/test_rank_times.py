"""The time of a rank is told by its status, looked at from outside."""

from __future__ import annotations

import json
import threading
import time

import numpy as np

from ddp_mlp.comm.liveness.rank_status import ENTERED, LEFT, RankStatus
from ddp_mlp.comm.liveness.rank_times import KINDS, RankTimes, doing
from tests.runs import MOONS, ddp_mlp, prepare


def test_what_a_rank_does_is_told_by_its_status():
    status = RankStatus()
    assert doing(status) == "other"
    for place, kind in (("while ordering the rows of epoch 3", "data"), ("in the validation after step 5", "compute"),
                        ("while saving step 5", "other")):  # fmt: skip
        status.at(place)
        assert doing(status) == kind
    status.at_step(7)
    assert doing(status) == "compute"
    for collective, kind in (("a barrier of the node", "wait"), ("an agreement of all ranks", "wait"),
                             ("the sum of the gradients between nodes", "communicate"),
                             ("a broadcast", "communicate")):  # fmt: skip
        with status.waiting(collective):
            assert doing(status) == kind
    words = np.zeros(3, np.int64)
    status.watch_team(words)
    words[ENTERED] = 4
    assert doing(status) == "wait"
    words[LEFT] = 4
    assert doing(status) == "compute"


def test_seconds_add_up_to_the_time_that_passed_and_the_thread_ends():
    status = RankStatus()
    status.at_step(0)
    with RankTimes(status) as times:
        started = time.monotonic()
        while sum(times.seconds) < 0.1:
            assert time.monotonic() - started < 30
            time.sleep(0.01)
        assert sum(times.seconds) <= time.monotonic() - started + 0.1
    assert times.seconds[KINDS.index("compute")] == sum(times.seconds)
    assert all(thread.name != "rank times" for thread in threading.enumerate())


def test_a_run_tells_the_times_of_all_its_ranks_and_one_alone_tells_none(tmp_path):
    folder = prepare(tmp_path, MOONS + "learning_rate = 0.01\n[train]\nepochs = 3\n", "moons", 100)
    assert ddp_mlp("train", "c.toml", "--out", "two", cwd=folder, ranks=2).code == 0
    ranks = json.loads((folder / "two/status.json").read_text())["ranks"]
    assert list(ranks) == [f"{kind}_s" for kind in KINDS]
    assert all(len(seconds) == 2 for seconds in ranks.values())
    assert ddp_mlp("train", "c.toml", "--out", "one", cwd=folder).code == 0
    assert "ranks" not in json.loads((folder / "one/status.json").read_text())
