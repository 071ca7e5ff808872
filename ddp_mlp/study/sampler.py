"""The choice of trials: a pure function of a trial's number and of the results that it may see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

#: An assignment ``SECTION.KEY=VALUE``, as on the command line.
Assignment = str

#: The metric of trials that are over, by their numbers; None where one failed.
Results = Mapping[int, float | None]


class Sampler(Protocol):
    """Chooses the trials of a study.

    Whoever goes on with a study asks again, so the same numbers and results give the same trials.
    """

    def sees(self, number: int, at_once: int) -> range:
        """Return the trials whose results trial `number` waits for and is chosen by.

        All are below `number`; where `at_once` trials run at a time, those that leave no group
        without work end before ``number - at_once + 1``.
        """

    def propose(self, number: int, results: Results) -> Sequence[Assignment] | None:
        """Return the assignments of trial `number`, the first is 0; None where there are no more trials.

        Parameters
        ----------
        results : mapping
            Those that it sees.
        """


@dataclass(frozen=True)
class Listed:
    """Trials that are known from the beginning, and see no results."""

    trials: Sequence[Sequence[Assignment]]

    def sees(self, number: int, at_once: int) -> range:  # noqa: ARG002 - of the protocol
        """Return an empty range."""
        return range(0)

    def propose(self, number: int, results: Results) -> Sequence[Assignment] | None:  # noqa: ARG002
        """Return a trial of the list."""
        return self.trials[number] if number < len(self.trials) else None
