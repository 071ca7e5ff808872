"""Where a rank stands: told by the code that trains, read by its watchdog and in messages."""

from __future__ import annotations

from collections.abc import Iterator, MutableSequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # so that the command line starts without NumPy
    import numpy as np
    from numpy.typing import NDArray

#: Words of `RankStatus.team`: barriers of the node's team entered and left, and the step since `at_step`.
ENTERED, LEFT, AT_STEP = range(3)


class RankStatus:
    """The status of a rank: its phase, and the collective that it waits in.

    The main thread writes, the watchdog's thread reads. Each value stands for itself, so
    that reading between two writes costs a poll, not the truth.

    Attributes
    ----------
    place : str
        A phrase such as "while loading the data"; empty while steps are taken.
    first_step : int
        Step of the run that the team's step 0 is, while steps are taken.
    collective : str
        Name of the collective that this rank is in; empty outside of all.
    """

    def __init__(self) -> None:
        self.place = "at the start"
        self.first_step = 0
        self.collective = ""
        self._count = 0
        self._team: MutableSequence[int] | NDArray[np.int64] = [0, 0, 0]

    def at(self, place: str) -> None:
        """Name the phase that begins now, as a phrase for messages."""
        self.place = place

    def at_step(self, step: int) -> None:
        """Say that steps come now, from this one of the run on."""
        self.first_step, self.place = step, ""
        self._team[AT_STEP] = 0

    def watch_team(self, words: NDArray[np.int64]) -> None:
        """Let the words, shape (3,), be those in which this rank's part of a team leaves its status."""
        self._team = words

    @contextmanager
    def waiting(self, collective: str) -> Iterator[None]:
        """Be in a collective while the block runs."""
        outer, self.collective = self.collective, collective
        self._count += 1
        try:
            yield
        finally:
            self.collective = outer
            self._count += 1

    @property
    def where(self) -> str:
        """Return the place, or the step, as a phrase."""
        return self.place or f"at step {self.first_step + int(self._team[AT_STEP])}"

    @property
    def waits_in(self) -> str:
        """Return the name of the collective that this rank waits in; empty if it is busy."""
        if self.collective:
            return self.collective
        return "the sum of the gradients" if self._team[ENTERED] != self._team[LEFT] else ""

    @property
    def progress(self) -> tuple[int, int, int]:
        """Return a value that changes whenever the rank enters or leaves a collective."""
        return self._count, int(self._team[ENTERED]), int(self._team[LEFT])
