"""``ddp-mlp`` with a fault in it: python -m tests.mpi.faulty FAULT RANK ARGUMENTS, as a launcher's program.

``flip STEP WORD`` changes one bit of the parameters at the end of a step; WORD counts from 0.
``signal STEP`` asks to stop, by SIGUSR1 to this rank, after a step.
``set NAME=VALUE`` sets a variable of the environment; ``version V`` has the program be of version V.
"""

from __future__ import annotations

import os
import signal
import sys

import numpy as np


def flip(step: str, word: str) -> None:
    from ddp_mlp.training.trainer import Trainer

    advance = Trainer._advance

    def faulty(self: Trainer, n_steps: int) -> None:
        before = self._progress.step
        advance(self, n_steps)
        if before < int(step) <= self._progress.step:
            self._state.parameters.view(np.uint8)[4 * int(word)] ^= 1

    Trainer._advance = faulty  # type: ignore[method-assign]


def send_signal(step: str) -> None:
    from ddp_mlp.training.trainer import Trainer

    advance = Trainer._advance

    def faulty(self: Trainer, n_steps: int) -> None:
        before = self._progress.step
        advance(self, n_steps)
        if before < int(step) <= self._progress.step:
            os.kill(os.getpid(), signal.SIGUSR1)

    Trainer._advance = faulty  # type: ignore[method-assign]


def set_variable(assignment: str) -> None:
    name, _, value = assignment.partition("=")
    os.environ[name] = value


def version(text: str) -> None:
    import ddp_mlp.training.replicas

    ddp_mlp.training.replicas.__version__ = text  # type: ignore[attr-defined]


FAULTS = {"flip": (flip, 2), "signal": (send_signal, 1), "set": (set_variable, 1), "version": (version, 1)}


if __name__ == "__main__":
    from ddp_mlp.__main__ import main
    from ddp_mlp.comm.launcher import launcher_rank

    name, rank, *rest = sys.argv[1:]
    inject, n_arguments = FAULTS[name]
    if launcher_rank(os.environ) == int(rank):
        inject(*rest[:n_arguments])
    sys.argv[1:] = rest[n_arguments:]
    main()
