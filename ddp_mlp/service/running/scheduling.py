"""Which jobs start next, and why the others wait: a plain function of what is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ddp_mlp.service.store.job import Job

#: Later jobs that may start before one that does not fit yet; then cores are kept free for it.
MOST_PASSED = 16


@dataclass(frozen=True)
class Room:
    """The cores and the memory that jobs share, all or left."""

    cores: int
    memory_bytes: int


@dataclass(frozen=True)
class Decision:
    """The decision about the jobs that wait.

    Attributes
    ----------
    start : list of Job
        In this order.
    waits_for : dict of int to str
        The reason of each of the others.
    fail : dict of int to str
        Jobs that can never start, and why.
    passed : list of int
        Jobs that one of `start` has overtaken.
    """

    start: list[Job] = field(default_factory=list)
    waits_for: dict[int, str] = field(default_factory=dict)
    fail: dict[int, str] = field(default_factory=dict)
    passed: list[int] = field(default_factory=list)


def decide(queued: Sequence[Job], states: Mapping[int, str], all_of_it: Room, left: Room) -> Decision:
    """Decide about jobs that wait, the higher priority first, then the older.

    A job that does not fit lets smaller ones pass, but not for ever.

    Parameters
    ----------
    states : mapping of int to str
        Of the jobs that others come after.
    """
    decision = Decision()
    cores, memory = left.cores, left.memory_bytes
    blocked: list[Job] = []
    is_reserved = False
    for job in sorted(queued, key=lambda one: (-one.priority, one.id)):
        if failure := _failed_dependency(job, states):
            decision.fail[job.id] = failure
        elif missing := _dependencies(job, states):
            decision.waits_for[job.id] = missing
        elif lack := _lack(job, all_of_it, cores, memory):
            decision.waits_for[job.id] = lack
            blocked.append(job)
            is_reserved = is_reserved or (job.passed >= MOST_PASSED and job.cores <= all_of_it.cores)
        elif is_reserved:
            decision.waits_for[job.id] = f"job {blocked[0].id}, which has waited longest for its cores"
        else:
            decision.start.append(job)
            decision.passed.extend(one.id for one in blocked)
            cores, memory = cores - job.cores, memory - job.memory_bytes
    return decision


def _failed_dependency(job: Job, states: Mapping[int, str]) -> str:
    for number in job.after:
        state = states.get(number, "removed")
        if state in ("failed", "removed"):
            how = "failed" if state == "failed" else "was removed"
            return f"job {number}, which it comes after, {how}; resume it to start it all the same"
    return ""


def _dependencies(job: Job, states: Mapping[int, str]) -> str:
    waiting = [number for number in job.after if states.get(number) != "finished"]
    if not waiting:
        return ""
    stopped = " (stopped: resume it)" if states.get(waiting[0]) == "stopped" else ""
    return f"job {waiting[0]}{stopped}" + (f" and {len(waiting) - 1} more" if len(waiting) > 1 else "")


def _lack(job: Job, all_of_it: Room, cores: int, memory: int) -> str:
    if job.cores > all_of_it.cores:
        return f"{job.cores} cores, and the service has {all_of_it.cores}"
    if job.memory_bytes > all_of_it.memory_bytes:
        return f"{_gib(job.memory_bytes)} of memory, and the service has {_gib(all_of_it.memory_bytes)}"
    if job.cores > cores:
        return f"{job.cores} cores ({max(cores, 0)} free)" if job.cores > 1 else "a core"
    if job.memory_bytes > memory:
        return f"{_gib(job.memory_bytes)} of memory ({_gib(max(memory, 0))} free)"
    return ""


def _gib(count: int) -> str:
    return f"{count / 2**30:.2g} GiB"
