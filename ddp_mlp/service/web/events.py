"""News of jobs for whoever watches: server-sent events that go on where a viewer was cut off."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec

from ddp_mlp.service.running.watching import Row
from ddp_mlp.service.store.job import Job, public
from ddp_mlp.service.store.store import Store

#: Events that are kept for viewers who come back, and that a slow one may lag behind before it is cut off.
_KEPT, _MOST_WAITING = 4096, 1024
MOST_VIEWERS = 200
#: Seconds between signs of life.
_BEAT_S = 15.0

Event = tuple[int, bytes]


def as_event(number: int, kind: str, content: Any) -> Event:
    """Return an event as it is sent."""
    return number, b"id: %d\nevent: %s\ndata: %s\n\n" % (number, kind.encode(), msgspec.json.encode(content))


class Hub:
    """Passes on what the supervisor and the store tell, from any thread, to viewers in the event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: deque[Event] = deque(maxlen=_KEPT)
        self._viewers: set[asyncio.Queue[Event | None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.wake: Callable[[], None] = lambda: None

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to pass on."""
        self._loop = loop

    def close(self) -> None:
        """Let all viewers go."""
        for viewer in list(self._viewers):
            self._cut_off(viewer)

    def on_change(self, job: Job | int, version: int) -> None:
        """Pass on a job that has changed, or the id of one that was removed; from any thread."""
        if isinstance(job, int):
            self._pass(as_event(version, "removed", {"id": job}))
        else:
            self._pass(as_event(version, "job", public(job)))

    def on_row(self, job_id: int, row: Row) -> None:
        """Pass on the row of an epoch; from any thread."""
        self._pass(as_event(self._store.next_version(), "epoch", {"id": job_id, "row": row}))

    def _pass(self, event: Event) -> None:
        if self._loop and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._spread, event)

    def _spread(self, event: Event) -> None:
        self._kept.append(event)
        for viewer in list(self._viewers):
            try:
                viewer.put_nowait(event)
            except asyncio.QueueFull:
                self._cut_off(viewer)

    def _cut_off(self, viewer: asyncio.Queue[Event | None]) -> None:
        self._viewers.discard(viewer)
        while not viewer.empty():
            viewer.get_nowait()
        viewer.put_nowait(None)

    @property
    def is_full(self) -> bool:
        """Whether there are as many viewers as can be."""
        return len(self._viewers) >= MOST_VIEWERS

    async def follow(self, last: int | None) -> AsyncIterator[bytes]:
        """Yield events for a viewer, after the one that it has seen last."""
        viewer: asyncio.Queue[Event | None] = asyncio.Queue(_MOST_WAITING)
        self._viewers.add(viewer)
        try:
            yield b"retry: 1000\n\n"
            seen = self._store.version if last is None else last
            if last is not None:
                for number, content in await self._missed(last):
                    seen = max(seen, number)
                    yield content
            else:
                yield b"id: %d\nevent: hello\ndata: {}\n\n" % seen
            while True:
                event = await self._next(viewer)
                if event is None:
                    return
                if event[0] > seen or event[0] == 0:
                    yield event[1]
        finally:
            self._viewers.discard(viewer)

    async def _next(self, viewer: asyncio.Queue[Event | None]) -> Event | None:
        try:
            async with asyncio.timeout(_BEAT_S):
                return await viewer.get()
        except TimeoutError:
            return 0, b": still here\n\n"

    async def _missed(self, last: int) -> list[Event]:
        """Return what a viewer has missed; beyond what is kept, the jobs as they are now."""
        if self._kept and self._kept[0][0] <= last + 1:
            return [event for event in self._kept if event[0] > last]
        jobs, gone = await asyncio.to_thread(self._store.changed_since, last, _KEPT)
        newest = self._store.version
        return [
            *(as_event(newest, "removed", {"id": number}) for number in gone),
            *(as_event(job.version, "job", public(job)) for job in jobs),
        ]
