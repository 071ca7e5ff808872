"""Writing beside training: a thread of rank 0 makes the files of a run durable.

Training hands over snapshots and goes on. After each turn that forces files to disk the
thread rests for `REST` times as long as the turn took, so that saving stays a small part of
the work however short the epochs are. It may rest at first too: a run that is over by then, as short
trials of a study are, is written once. A checkpoint that is overtaken by `keep` newer ones
meanwhile is left out: it would be pruned at once. So when the run ends, the same files are
there as if each had been written in its time.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable
from time import monotonic

from ddp_mlp.errors import DataError, StorageError
from ddp_mlp.run.files.writer import RunWriter
from ddp_mlp.run.snapshot import Snapshot

#: Rest after a turn, in times of what it took.
REST = 10.0
#: Seconds between looks at what waits, and between additions to tables.
LOOK_EVERY_S = 0.1
#: Bytes of snapshots that may wait; for more, training waits.
ROOM_BYTES = 256 * 2**20


class Recorder:
    """The thread and its queue.

    Parameters
    ----------
    keep : int
        Checkpoints that are kept, and so the most that are worth waiting.
    first_rest_s : float
        Seconds before the first turn that forces files to disk.
    """

    def __init__(self, writer: RunWriter, keep: int, first_rest_s: float = 0.0) -> None:
        self._writer = writer
        self._changed = threading.Condition()  # guards what follows
        self._rows: list[Snapshot] = []
        self._waiting: deque[Snapshot] = deque(maxlen=keep)
        self._is_busy = self._is_hurried = self._is_finishing = self._is_closed = False
        self._last: Snapshot | None = None
        self._failure: BaseException | None = None
        self._rests_until, self._looks_at = monotonic() + first_rest_s, 0.0
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)
        self._thread.start()

    def record(self, snapshot: Snapshot) -> None:
        """Take over a snapshot. It waits only if too much is waiting already.

        Raises
        ------
        OutputError
            If another job has taken over the run directory.
        """
        with self._changed:
            if not self._has_room(snapshot):
                self._hurry(lambda: self._has_room(snapshot))
            is_first = not self._is_pending()
            self._rows.append(snapshot)
            if snapshot.moments is not None:
                self._waiting.append(snapshot)
            if is_first:
                self._changed.notify_all()
        self._raise_failure()

    def finish(self, last: Snapshot | None = None) -> None:
        """Take over the last snapshot, and wait until all that was recorded is durable.

        Raises
        ------
        StorageError, DataError, OutputError
            If any of it could not be written.
        """
        self._is_finishing = True
        self._last = last
        if last:
            self.record(last)
        with self._changed:
            self._hurry(lambda: not self._is_pending() and not self._is_busy)
        self._raise_failure()
        self._writer.end()

    def close(self, *, abandon: bool = False) -> None:
        """End the thread, after it has written what it can, or at once."""
        if not abandon:
            with contextlib.suppress(Exception):  # what ends the run has been raised already, and must not be hidden
                self.finish()
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        if not abandon:
            self._thread.join()

    def _has_room(self, snapshot: Snapshot) -> bool:
        held = sum(each.n_bytes for each in (*self._rows, *self._waiting))
        return held == 0 or held + snapshot.n_bytes <= ROOM_BYTES

    def _is_pending(self) -> bool:
        return bool(self._rows or self._waiting)

    def _hurry(self, until: Callable[[], bool]) -> None:
        """Let the thread work without rest until something holds."""
        self._is_hurried = True
        self._changed.notify_all()
        self._changed.wait_for(until)
        self._is_hurried = False

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        while True:
            with self._changed:
                self._is_busy = False
                self._changed.notify_all()
                while (task := self._next_task()) is None:
                    if self._is_closed:
                        return
                    self._changed.wait(LOOK_EVERY_S if self._is_pending() else None)
                self._is_busy = True
            self._do(task)

    def _next_task(self) -> Callable[[], None] | None:
        now = monotonic()
        if self._waiting and (self._is_hurried or now >= self._rests_until):
            return self._take_turn
        if self._rows and (self._is_hurried or now >= self._looks_at):
            self._looks_at = now + LOOK_EVERY_S
            return self._tabulate
        return None

    def _take_turn(self) -> None:
        """Write all rows and the newest checkpoint that wait, and rest."""
        with self._changed:
            newest = self._waiting.pop()
        started = monotonic()
        try:
            self._tabulate()
            self._writer.save(newest)
        except (StorageError, DataError) as error:
            with self._changed:
                if not self._is_finishing:
                    self._writer.warn(error)
                elif newest is self._last:
                    self._failure = self._failure or error
        finally:
            self._rests_until = monotonic() + REST * (monotonic() - started)

    def _tabulate(self) -> None:
        """Append the rows that wait to the tables; what cannot be written now comes with the next checkpoint."""
        with self._changed:
            rows, self._rows = self._rows, []
        try:
            self._writer.tabulate(rows)
        except StorageError as error:
            if not self._is_finishing:
                self._writer.warn(error)

    def _do(self, task: Callable[[], None]) -> None:
        """Run a task; what it does not survive is raised by the next call from outside."""
        try:
            task()
        except BaseException as error:
            with self._changed:
                self._failure = error
                self._rows = []
                self._waiting.clear()
