"""The one thread that starts jobs, watches them and writes down how they end.

It knows nothing that the store and the run directories do not tell, so another server can go on at
any moment. It sleeps until somebody wakes it, and looks at jobs that run a few times a second.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from ddp_mlp.service.running.endings import after_death, after_end
from ddp_mlp.service.running.scheduling import Room, decide
from ddp_mlp.service.running.standing import Phase, Standing
from ddp_mlp.service.running.starting import Starter
from ddp_mlp.service.running.watching import Row, Watch
from ddp_mlp.service.settings import Settings
from ddp_mlp.service.store.job import ACTIVE, Job
from ddp_mlp.service.store.store import Store
from ddp_mlp.service.times import now_utc

#: Seconds between looks at jobs that run; for each job that runs, some more.
_LOOK_S, _LOOK_PER_JOB_S = 0.25, 0.004
#: Seconds between looks while nothing runs.
_IDLE_S = 30.0
#: Seconds between two requests to stop: the first one may have come before anybody listened.
_ASK_AGAIN = 20

#: Looks at data at once.
_LOOKS = 2

Tell = Callable[[str], None]
OnRow = Callable[[int, Row], None]


class Supervisor:
    """Starts, watches and ends the jobs of a store, in a thread of its own."""

    def __init__(self, settings: Settings, store: Store, starter: Starter, on_row: OnRow, tell: Tell) -> None:
        self._settings, self._store, self._starter = settings, store, starter
        self._on_row, self._tell = on_row, tell
        self._watches: dict[int, Watch] = {}
        self._children: dict[int, subprocess.Popen[bytes] | None] = {}
        self._asked: dict[int, int] = {}
        self._told = ""
        self._looks, self._estimating = ThreadPoolExecutor(_LOOKS), set[int]()
        self._wake, self._ended = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)

    def start(self) -> None:
        """Begin; what an earlier server has left is gone on with first."""
        self._thread.start()

    def wake(self) -> None:
        """Look at once: something has changed."""
        self._wake.set()

    def stop(self) -> None:
        """End the thread; jobs live on."""
        self._ended = True
        self._looks.shutdown(cancel_futures=True)
        self.wake()
        if self._thread.is_alive():
            self._thread.join(10)

    def _run(self) -> None:
        while not self._ended:
            self._wake.clear()
            try:
                active = self.tick()
            except Exception as error:  # a full disk, say: the jobs go on, and so does this
                self._warn(f"{type(error).__name__}: {error}")
                active = 1
            self._wake.wait(_LOOK_S + _LOOK_PER_JOB_S * active if active else _IDLE_S)

    def _warn(self, text: str) -> None:
        """Tell of a failure, once as long as it stays the same."""
        if text != self._told:
            self._told = text
            self._tell(f"warning: {text}")

    def tick(self) -> int:
        """Look at all jobs once; return how many run."""
        for job in self._store.active():
            try:
                self._look_at(job)
            except OSError as error:
                self._warn(f"job {job.id}: {error}")
        self._start_what_fits()
        return len(self._store.active())

    def _look_at(self, job: Job) -> None:
        standing = self._starter.standing(job)
        child = self._children.get(job.id)
        is_gone = child is None or child.poll() is not None
        if standing.phase is Phase.UNCLAIMED and (not is_gone or not self._starter.revoke(job)):
            return
        if standing.phase in (Phase.UNCLAIMED, Phase.REVOKED):
            self._again(job, Standing(Phase.REVOKED, code=None if child is None else child.returncode))
            return
        self._watch(job)
        if standing.phase is Phase.RUNNING:
            if job.state == "stopping":
                self._ask(job, standing)
        elif standing.phase is Phase.ENDED:
            self._finish(job, after_end(job, standing, self._settings))
        elif standing.phase is Phase.DIED:
            self._again(job, standing)

    def _ask(self, job: Job, standing: Standing) -> None:
        count = self._asked.get(job.id, 0)
        if count % _ASK_AGAIN == 0:
            self._starter.ask_to_stop(job, standing)
        self._asked[job.id] = count + 1

    def _again(self, job: Job, standing: Standing) -> None:
        """Put a job whose process is gone into the queue again, if that helps."""
        self._finish(job, after_death(job, standing, self._settings))

    def _finish(self, job: Job, fields: dict[str, Any]) -> None:
        self._watch(job)
        watch = self._watches.pop(job.id, None)
        summary = watch.summary(job.started_utc) if watch and watch.seen != (0, 0) else {}
        self._children.pop(job.id, None)
        self._asked.pop(job.id, None)
        if fields["state"] != "queued":
            fields["ended_utc"] = now_utc()
        # From the state that was looked at: a request to stop that came meanwhile is seen with the next look.
        self._store.change(job.id, (job.state,), **summary, **fields)

    def _watch(self, job: Job) -> None:
        if job.id not in self._watches:
            watch = Watch(self._settings.directory / job.run_dir, self._starter.epochs_of(job))
            first = job.progress or {}
            watch.look()  # what it told earlier is no news
            for row in [watch.latest] if watch.latest.get("epoch", 0) != first.get("epoch", 0) else []:
                self._on_row(job.id, row)
            self._watches[job.id] = watch
            self._store.note(job.id, **watch.summary(job.started_utc))
            return
        rows = self._watches[job.id].look()
        for row in rows or ():
            self._on_row(job.id, row)
        if rows is not None:
            self._store.note(job.id, **self._watches[job.id].summary(job.started_utc))

    def _start_what_fits(self) -> None:
        jobs = self._store.live()
        queued = self._estimated([job for job in jobs if job.state == "queued"])
        if not queued:
            return
        running = [job for job in jobs if job.state in ACTIVE]
        room = self._starter.room()
        left = Room(
            room.cores - sum(job.cores for job in running),
            room.memory_bytes - sum(job.memory_bytes for job in running),
        )
        states = self._store.states_of(sorted({number for job in queued for number in job.after}))
        decision = decide(queued, states, room, left)
        by_id = {job.id: job for job in queued}
        for number, reason in decision.fail.items():
            self._store.change(number, ("queued",), state="failed", reason=reason, waits_for="", ended_utc=now_utc())
        for number in decision.passed:
            self._store.note(number, passed=by_id[number].passed + 1)
        for job in decision.start:
            self._begin(job)
        for number, reason in decision.waits_for.items():
            if by_id[number].waits_for != reason:
                self._store.note(number, waits_for=reason)
        if decision.fail:
            self.wake()

    def _estimated(self, queued: list[Job]) -> list[Job]:
        """Return the jobs whose memory is known, and have that of the others found out."""
        for job in queued:
            if not job.memory_bytes and job.id not in self._estimating:
                self._estimating.add(job.id)
                self._looks.submit(self._estimate, job)
        return [job for job in queued if job.memory_bytes]

    def _estimate(self, job: Job) -> None:
        try:
            self._store.note(job.id, memory_bytes=max(self._starter.memory_of(job), 1))
        finally:
            self._estimating.discard(job.id)
            self.wake()

    def _begin(self, job: Job) -> None:
        """Write down that a job starts, then start it."""
        token = self._starter.new_token()
        begun = self._store.change(
            job.id, ("queued",), state="running", token=token, attempts=job.attempts + 1, waits_for="", reason="",
            started_utc=now_utc(), ended_utc=None, exit_code=None,
        )  # fmt: skip
        if begun is None:  # stopped meanwhile
            return
        try:
            self._children[job.id] = self._starter.start(begun)
        except Exception as error:
            with suppress(OSError):
                self._starter.revoke(begun)
            self._store.change(
                job.id, ACTIVE, state="failed", reason=f"cannot be started: {error}", ended_utc=now_utc(), exit_code=76
            )
