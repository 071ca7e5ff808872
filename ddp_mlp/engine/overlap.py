"""Sums of finished layers on their way to other nodes while the layers below them are computed."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.comm.protocol import Transfer
from ddp_mlp.core.kernels.parallel.words import LAYER_WORDS, READY
from ddp_mlp.core.sharding import AutoBool

#: Seconds between looks at layers and messages: while workers compute, the processor is theirs.
_LOOK_EVERY_S = 50e-6
#: How often messages are moved on at each look; over TCP one move is a few kilobytes.
_MOVES = 8


class LayerSender:
    """A thread of a node's local rank 0 that sends groups of layers, in their order, as they become ready."""

    def __init__(self, words: NDArray[np.int64], groups: Sequence[tuple[Sequence[int], Transfer]]) -> None:
        """`words` are those of `core.kernels.parallel.layer_barrier`; a group is its layers and what sends them."""
        self._words, self._groups = words, groups
        self._asked, self._done = threading.Semaphore(0), threading.Semaphore(0)
        self._round = 0
        self._is_closed = self._is_awaited = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="layers", daemon=True)
        self._thread.start()

    def begin(self) -> None:
        """Send the layers of the step that begins now."""
        self._asked.release()

    def wait(self) -> None:
        """Wait until all of them have come and gone; raise the failure of any."""
        self._is_awaited = True
        self._done.acquire()
        self._is_awaited = False
        if self._failure:
            raise self._failure

    def close(self) -> None:
        """Let the thread go."""
        self._is_closed = True
        self._asked.release()
        self._thread.join()

    def _work(self) -> None:
        while True:
            self._asked.acquire()
            if self._is_closed:
                return
            self._round += 1
            try:
                self._send()
            except BaseException as failure:
                self._failure = failure
            self._done.release()

    def _send(self) -> None:
        for layers, transfer in self._groups:
            words = [layer * LAYER_WORDS + READY for layer in layers]
            while any(self._words[word] < self._round for word in words):
                time.sleep(_LOOK_EVERY_S)
            transfer.start()
            while not any(transfer.is_done() for _ in range(_MOVES)):
                if not self._is_awaited:
                    time.sleep(_LOOK_EVERY_S)


class OverlapChoice:
    """Whether layers travel by themselves: as configured, or as a trial was faster.

    Attributes
    ----------
    is_on, is_decided : bool
    """

    #: Steps of a trial.
    STEPS = 10

    def __init__(self, choice: AutoBool) -> None:
        self.is_on = choice is True
        self.is_decided = choice != "auto"
        self._without_s = 0.0

    def tried(self, step_s: float) -> None:
        """Note the time of a step as things are; then try the other way, or decide."""
        if not self.is_on:
            self._without_s, self.is_on = step_s, True
        else:
            self.is_on, self.is_decided = step_s < self._without_s, True
