"""The time of a rank by what it did: a thread looks at its status now and then, which costs training nothing.

Between two looks a rank counts as doing what the later one saw. Over some seconds that tells waiting from computing,
also inside of compiled code, where workers meet without a word to Python.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from time import monotonic
from types import TracebackType
from typing import Self

from ddp_mlp.comm.liveness.rank_status import RankStatus

#: Kinds of time, in the order of `RankTimes.seconds`.
KINDS = ("compute", "communicate", "data", "wait", "other")
_LOOK_S = 0.05
#: Collectives that move nothing, in which a rank only waits for others.
_MEETINGS = ("a barrier", "an agreement")
#: Phases of training, by how their names begin.
_PHASES = (("while ordering", "data"), ("in the validation", "compute"))


class RankTimes:
    """Seconds of a rank by kind, while it is open.

    Attributes
    ----------
    seconds : list of float
        One for each of `KINDS`.
    """

    def __init__(self, status: RankStatus) -> None:
        self.seconds: Sequence[float] = [0.0] * len(KINDS)
        self._status = status
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="rank times", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._thread.join()

    def _watch(self) -> None:
        sums, before = list(self.seconds), monotonic()
        while not self._closed.wait(_LOOK_S):
            now = monotonic()
            sums[KINDS.index(doing(self._status))] += now - before
            before, self.seconds = now, tuple(sums)


def doing(status: RankStatus) -> str:
    """Return the kind of time that a rank spends now."""
    if status.collective:
        return "wait" if status.collective.startswith(_MEETINGS) else "communicate"
    if status.waits_in:
        return "wait"
    if not status.place:
        return "compute"
    return next((kind for phrase, kind in _PHASES if status.place.startswith(phrase)), "other")
