"""``ddp-mlp`` with a fault in it, on one rank, by a word and its arguments.

``flip STEP WORD`` changes one bit of the parameters at the end of a step; WORD counts from 0.
``signal STEP`` asks to stop, by SIGUSR1 to this rank, after a step.
``set NAME=VALUE`` sets a variable of the environment; ``version V`` has the program be of version V.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pytest


def after_step(patched: pytest.MonkeyPatch, step: int, act: Callable[[object], object]) -> None:
    """Act on the trainer when a step is done."""
    from ddp_mlp.training.trainer import Trainer

    advance = Trainer._advance

    def faulty(self: Trainer, n_steps: int) -> None:
        before = self._progress.step
        advance(self, n_steps)
        if before < step <= self._progress.step:
            act(self)

    patched.setattr(Trainer, "_advance", faulty)


def flip(patched: pytest.MonkeyPatch, step: str, word: str) -> None:
    def change(trainer: object) -> None:
        trainer._state.parameters.view(np.uint8)[4 * int(word)] ^= 1  # type: ignore[attr-defined]

    after_step(patched, int(step), change)


def send_signal(patched: pytest.MonkeyPatch, step: str) -> None:
    after_step(patched, int(step), lambda _: os.kill(os.getpid(), signal.SIGUSR1))


def set_variable(patched: pytest.MonkeyPatch, assignment: str) -> None:
    name, _, value = assignment.partition("=")
    patched.setenv(name, value)


def version(patched: pytest.MonkeyPatch, text: str) -> None:
    import ddp_mlp.run.rank_checks

    patched.setattr(ddp_mlp.run.rank_checks, "__version__", text)


FAULTS = {"flip": flip, "signal": send_signal, "set": set_variable, "version": version}


@contextmanager
def with_fault(fault: Sequence[str], rank: int) -> Iterator[None]:
    """Have a fault, NAME RANK ARGUMENTS, in this process if it is that rank; none if it is empty."""
    with pytest.MonkeyPatch.context() as patched:
        if fault and int(fault[1]) == rank:
            FAULTS[fault[0]](patched, *fault[2:])
        yield


if __name__ == "__main__":
    import sys

    from ddp_mlp.__main__ import main
    from ddp_mlp.comm.launcher import launcher_rank

    name, rank, *rest = sys.argv[1:]
    n = 2 if name == "flip" else 1
    sys.argv[1:] = rest[n:]
    with with_fault([name, rank, *rest[:n]], launcher_rank(os.environ)):
        main()
