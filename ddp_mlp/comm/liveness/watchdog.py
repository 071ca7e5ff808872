"""A thread on every rank that ends the job when a collective waits for too long.

It watches its own rank only: one that waits, without leaving the collective, asks all
others where they stand. Those that do not answer, or are busy elsewhere, are named. The
lowest rank that waits speaks for all. A rank that cannot run this thread, because other
code holds the interpreter, has its stack printed by `faulthandler`'s timer, which needs
no interpreter. A rank whose launcher is gone ends itself.
"""

from __future__ import annotations

import faulthandler
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from ddp_mlp.comm.liveness.lifeline import Lifeline
from ddp_mlp.comm.liveness.rank_status import RankStatus
from ddp_mlp.errors import CollectiveTimeoutError

#: Seconds that a collective may wait where nobody says otherwise.
DEFAULT_TIMEOUT_S = 600.0

_POLL_S = 0.1
#: How often the timer that prints the stack of a rank whose interpreter is held is set anew.
_REARM_S = 1.0
#: At which part of the time-out it fires: early enough for the stack to arrive before the job ends.
_STACK_AT = 0.85
#: How long ranks have for an answer, or for printing their stacks.
_ANSWER_S = 0.8
#: How much later each further rank takes the word, in case the ones before it cannot.
_STAGGER_S, _LAST_STAGGER = 0.3, 8
_NAMED = 4


class RollCall(Protocol):
    """How a watchdog learns of the other ranks."""

    def serve(self) -> None:
        """Answer the questions of other ranks."""

    def call(self, within_s: float) -> dict[int, str]:
        """Return where each other rank that answers in time waits; empty for one that is busy."""

    def ask_stacks(self, ranks: Sequence[int], within_s: float) -> None:
        """Let ranks print the stacks of their threads; return when they have."""


class Watchdog:
    """Watches the status of one rank.

    Parameters
    ----------
    rank_status : RankStatus
    rank, world_size : int
    abort : callable
        Ends all ranks with an exit code.
    """

    def __init__(self, rank_status: RankStatus, rank: int, world_size: int, abort: Callable[[int], None]) -> None:
        self._rank_status = rank_status
        self._rank = rank
        self._world_size = world_size
        self._abort = abort
        self._timeout_s = DEFAULT_TIMEOUT_S
        self._on_timeout: Callable[[str], None] = lambda _: None
        self._roll_call: RollCall | None = None
        self._looking = threading.Lock()
        self._hosts: Sequence[str] = ()
        self._progress = rank_status.progress
        self._since = time.monotonic()
        self._has_warned = False
        self._armed_at = 0.0
        self._lifeline = Lifeline()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        """Watch from now on."""
        self.set_timeout(timeout_s)
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer."""
        self._stopped.set()
        self._thread.join()
        faulthandler.cancel_dump_traceback_later()

    def set_timeout(self, timeout_s: float, on_timeout: Callable[[str], None] | None = None) -> None:
        """Give up a collective after so many seconds, 0 for never.

        Parameters
        ----------
        on_timeout : callable
            Gets the reason just before the job is ended, on the rank that tells it.
        """
        self._timeout_s = timeout_s
        self._on_timeout = on_timeout or self._on_timeout
        if self._thread.is_alive():
            self._arm(time.monotonic())  # at once: the next thing may be what holds the interpreter

    def ask_with(self, roll_call: RollCall, hosts: Sequence[str], rank: int) -> None:
        """Use this to learn of the other ranks, these names of their hosts, and this number of this one among them."""
        with self._looking:
            self._hosts, self._roll_call = hosts, roll_call
            self._rank, self._world_size = rank, len(hosts)

    def ask(self) -> dict[int, str] | None:
        """Return where each other rank that answers waits, empty for one that is busy; None if none can be asked."""
        with self._looking:
            return self._call() if self._roll_call else None

    def part(self) -> None:
        """Watch on, but use MPI no longer, which is about to end."""
        with self._looking:
            self._roll_call = None
            self._lifeline.forget_socket()

    def wake_launcher(self) -> None:
        """Let the launcher go on if it is stopped, so that it can end the other ranks."""
        self._lifeline.wake_launcher()

    def _watch(self) -> None:
        while not self._stopped.wait(_POLL_S):
            now = time.monotonic()
            if now - self._armed_at >= min(_REARM_S, self._timeout_s / 4):
                self._arm(now)
            with self._looking:
                self._lifeline.look(now)
                self._serve()
                self.look(now)

    def _serve(self) -> None:
        """Answer the other ranks; where MPI fails since they are gone, there is nobody to answer any more."""
        try:
            if self._roll_call:
                self._roll_call.serve()
        except Exception:
            self._roll_call = None

    def _arm(self, now: float) -> None:
        """Have the stacks printed by a timer that needs no interpreter, unless this is called again in time."""
        self._armed_at = now
        if self._timeout_s:
            with suppress(RuntimeError):  # no more threads for this user: its stack will be missing
                faulthandler.dump_traceback_later(_STACK_AT * self._timeout_s)
        else:
            faulthandler.cancel_dump_traceback_later()

    def look(self, now: float) -> None:
        """Compare with the last look, and act if the rank has waited for too long."""
        progress = self._rank_status.progress
        if progress != self._progress or not self._rank_status.waits_in:
            self._progress, self._since, self._has_warned = progress, now, False
            return
        waited = now - self._since - _STAGGER_S * min(self._rank, _LAST_STAGGER)
        if not self._timeout_s:
            return
        if waited >= self._timeout_s:
            self._give_up()
        elif waited >= self._timeout_s / 2 and not self._has_warned:
            self._has_warned = True
            self._warn()

    def _warn(self) -> None:
        answers = self._call()
        if self._speaks(answers):
            self._say(f"warning {self._header()}: {self._finding(answers, self._timeout_s / 2)}; going on to wait")

    def _give_up(self) -> None:
        answers = self._call()
        if not self._speaks(answers):
            return
        reason = f"{self._finding(answers, self._timeout_s)}; if that can be right, raise [train] timeout_s"
        self._say(f"error {self._header()}: {reason}")
        within(_ANSWER_S, lambda: self._on_timeout(reason))  # where the file system is what is stuck
        busy = [rank for rank, text in answers.items() if not text]
        with suppress(Exception):  # nothing may keep the job from ending
            if self._roll_call and busy:
                self._roll_call.ask_stacks(busy, _ANSWER_S)
        self._abort(CollectiveTimeoutError.exit_code)

    def _call(self) -> dict[int, str]:
        with suppress(Exception):  # MPI fails where ranks are gone
            return self._roll_call.call(_ANSWER_S) if self._roll_call else {}
        return {}

    def _speaks(self, answers: dict[int, str]) -> bool:
        """Tell whether this is the lowest rank that waits, and still does."""
        still = self._rank_status.progress == self._progress
        return still and not any(text for rank, text in answers.items() if rank < self._rank)

    def _header(self) -> str:
        host = f" on {self._hosts[self._rank]}" if self._hosts else ""
        return f"[rank {self._rank}/{self._world_size}{host}]"

    def _finding(self, answers: dict[int, str], waited_s: float) -> str:
        """Return the finding in one sentence: the collective that is waited in, and the ranks that are missing."""
        said = f"waited {waited_s:g} s in {self._rank_status.waits_in} {self._rank_status.where}"
        if not self._roll_call:
            return f"{said}; some rank did not start, or cannot be reached"
        missing = [rank for rank in range(self._world_size) if rank != self._rank and not answers.get(rank)]
        if not missing:
            return f"{said}; all ranks have entered a collective: MPI or the network is stuck"
        shown = [self._accusation(rank, alive=rank in answers) for rank in missing[:_NAMED]]
        more = f", and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        return f"{said}; {', '.join(shown)}{more}"

    def _accusation(self, rank: int, *, alive: bool) -> str:
        state = "it is busy, see its stack" if alive else "it gives no sign of life"
        return f"rank {rank} on {self._hosts[rank]} never entered it ({state})"

    def _say(self, line: str) -> None:
        within(_ANSWER_S, lambda: print(line, file=sys.stderr, flush=True))  # noqa: T201


def within(seconds: float, action: Callable[[], None]) -> None:
    """Do something that may fail, or wait for a disk or a reader that is gone, and go on without it in time."""

    def do() -> None:
        with suppress(Exception):
            action()

    doing = threading.Thread(target=do, daemon=True)
    try:
        doing.start()
    except RuntimeError:  # no more threads for this user
        do()
    else:
        doing.join(seconds)
