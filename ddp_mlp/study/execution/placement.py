"""How many trials run at once: as many as ask for it, or by a short trial of a few ways to share out the ranks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import cast

from ddp_mlp.comm import Communicator, SingleProcess, agreed, known_to_all
from ddp_mlp.comm.groups import World
from ddp_mlp.errors import UsageError, counted
from ddp_mlp.study.trials import Tell

#: Collective over a group. Returns the seconds of a step on its ranks, each of so many threads.
Measure = Callable[[Communicator, int], float]
#: Time of a study that may exceed the shortest and still count as equally short.
_TIE = 1.03


def candidates(n_ranks: int, n_trials: int | None) -> list[int]:
    """Return numbers of trials at once to try: one for each rank, then half as many, down to one.

    Examples
    --------
    >>> candidates(8, None), candidates(6, 3), candidates(4, 1)
    ([8, 4, 2, 1], [3, 1], [1])
    """
    most = min(n_ranks, n_trials or n_ranks)
    return [most // 2**k for k in range(most.bit_length()) if most // 2**k]


def study_s(step_s: float, at_once: int, n_trials: int | None) -> float:
    """Return the time of a study in steps of one trial: rounds of trials, times the seconds of a step in one.

    Examples
    --------
    >>> study_s(0.5, 2, 3), study_s(0.5, 2, None)
    (1.0, 0.25)
    """
    return step_s * (math.ceil(n_trials / at_once) if n_trials else 1 / at_once)


def choose(found: dict[int, float], n_trials: int | None) -> int:
    """Return the number at once with the shortest study; of those about as short the largest.

    Examples
    --------
    >>> choose({4: 1.0, 2: 0.9, 1: 0.8}, 48), choose({4: 1.0, 1: 0.3}, 2)
    (4, 1)
    """
    times = {at_once: study_s(step_s, at_once, n_trials) for at_once, step_s in found.items()}
    return max(at_once for at_once, time_s in times.items() if time_s <= _TIE * min(times.values()))


def share_out(
    asked: int, comm: Communicator, threads: int, n_trials: int | None, measure: Measure, tell: Tell
) -> tuple[int, int]:
    """Collective. Return how many trials run at once, and the threads of each rank or process.

    Parameters
    ----------
    asked : int
        Trials at once; 0 to find out.
    threads : int
        Of each rank. A process alone may run as many trials instead.
    n_trials : int or None
        None where nobody knows.

    Raises
    ------
    UsageError
        If there are fewer ranks than trials at once, or no thread that could watch over them.
    """
    if isinstance(comm, SingleProcess):
        at_once = asked or max(1, min(threads, n_trials or threads))
        return at_once, threads if asked else max(1, threads // at_once)
    if asked > comm.world_size:
        raise known_to_all(
            UsageError(
                f"--parallel {asked}: there are {comm.world_size} ranks, and each trial takes one at least; "
                f"start more, or give --parallel {comm.world_size} or less"
            )
        )
    if not comm.is_concurrent:
        if asked > 1:
            raise known_to_all(UsageError(f"--parallel {asked}: this MPI lets one thread use it; give --parallel 1"))
        return 1, threads
    tried = [] if asked else candidates(comm.world_size, n_trials)
    if len(tried) < 2:
        return asked or 1, threads
    found = {at_once: _step_s(cast(World, comm), at_once, threads, measure) for at_once in tried}
    chosen = choose(found, n_trials)
    if comm.rank == 0:
        steps = ", ".join(f"{at_once} at once: {step_s * 1e6:,.0f} us" for at_once, step_s in found.items())
        tell(f"--parallel auto: {counted(chosen, 'trial')} at once; a step of the first with {steps}")
    return chosen, threads


def _step_s(comm: World, at_once: int, threads: int, measure: Measure) -> float:
    """Collective. Return the seconds of a step where all groups work at the same time; those of the slowest."""
    own = 0.0
    with agreed(comm), comm.group(comm.rank * at_once // comm.world_size) as group:
        own = measure(SingleProcess() if group.world_size == 1 else group, threads)
    return max(float(text) for text in comm.share_text(repr(own)))
