"""Which job starts next: priority, age, cores, memory and dependencies, and nobody waits for ever."""

from __future__ import annotations

from dataclasses import replace

from ddp_mlp.service.running.scheduling import MOST_PASSED, Room, decide
from tests.service.store.test_store import job

ALL = Room(4, 10 * 2**30)


def started(jobs, states=None, left=ALL):
    return [one.id for one in decide(jobs, states or {}, ALL, left).start]


def test_higher_priority_and_older_ones_go_first():
    jobs = [job(id=1), job(id=2, priority=5), job(id=3, priority=5, ranks=2)]
    assert started(jobs) == [2, 3, 1]
    assert started(jobs, left=Room(1, 2**30)) == [2]


def test_a_reason_is_given_to_each_that_waits():
    jobs = [job(id=1, ranks=2, threads=2), job(id=2, ranks=8), job(id=3, memory_bytes=2**40), job(id=4, after=[9])]
    found = decide(jobs, {9: "running"}, ALL, Room(1, 2**30))
    assert found.start == []
    assert found.waits_for == {
        1: "4 cores (1 free)",
        2: "8 cores, and the service has 4",
        3: "1e+03 GiB of memory, and the service has 10 GiB",
        4: "job 9",
    }


def test_memory_is_shared_out():
    jobs = [job(id=n, memory_bytes=4 * 2**30) for n in (1, 2, 3)]
    found = decide(jobs, {}, ALL, ALL)
    assert [one.id for one in found.start] == [1, 2]
    assert "of memory" in found.waits_for[3]


def test_a_wide_job_is_passed_for_a_while_only():
    wide, queue, left = job(id=1, ranks=4), [job(id=n) for n in range(2, 60)], Room(3, 2**40)
    passed = 0
    while queue:
        found = decide([replace(wide, passed=passed), queue[0]], {}, ALL, left)
        if not found.start:
            break
        passed += len(found.passed)
        queue.pop(0)
    assert passed == MOST_PASSED
    assert "job 1" in found.waits_for[queue[0].id]
    assert started([replace(wide, passed=passed), queue[0]]) == [1]


def test_what_can_never_fit_keeps_nobody_waiting():
    jobs = [job(id=1, ranks=9, passed=1000), job(id=2)]
    assert started(jobs) == [2]


def test_dependencies_finish_first_and_a_failed_one_fails():
    jobs = [
        job(id=4, after=[1]),
        job(id=5, after=[2]),
        job(id=6, after=[3]),
        job(id=7, after=[8]),
        job(id=9, after=[1, 3]),
    ]
    found = decide(jobs, {1: "finished", 2: "failed", 3: "stopped"}, ALL, ALL)
    assert [one.id for one in found.start] == [4]
    assert found.fail.keys() == {5, 7}
    assert "job 2, which it comes after, failed" in found.fail[5]
    assert found.waits_for == {6: "job 3 (stopped: resume it)", 9: "job 3 (stopped: resume it)"}
