"""News: in order, once each, and from where a viewer was cut off."""

from __future__ import annotations

import asyncio
from pathlib import Path

from ddp_mlp.service.store.store import Store
from ddp_mlp.service.web.events import _MOST_WAITING, Hub
from tests.service.store.test_store import job


def kinds(pieces: list[bytes]) -> list[str]:
    return [
        line.removeprefix("event: ") for p in pieces for line in p.decode().splitlines() if line.startswith("event")
    ]


async def gather(hub: Hub, last: int | None, n: int) -> list[bytes]:
    stream, found = hub.follow(last), []
    async for piece in stream:
        if piece.startswith(b"id"):
            found.append(piece)
        if len(found) == n:
            break
    await stream.aclose()
    return found


def test_a_viewer_gets_each_event_once_and_goes_on_where_it_was_cut_off(tmp_path: Path):
    async def watch() -> None:
        store = Store(tmp_path / "s.db")
        hub = Hub(store)
        hub.open(asyncio.get_running_loop())
        store.listener = hub.on_change
        viewers = [asyncio.create_task(gather(hub, None, 5)) for _ in range(50)]
        await asyncio.sleep(0.01)
        first = await asyncio.to_thread(lambda: store.add(job, None, "")[0])
        hub.on_row(first.id, {"epoch": 1})
        await asyncio.to_thread(store.change, first.id, ("queued",), state="running")
        await asyncio.to_thread(store.remove, first.id)
        seen = await asyncio.gather(*viewers)
        assert all(kinds(one) == ["hello", "job", "epoch", "job", "removed"] for one in seen)
        assert all(one == seen[0] for one in seen)
        assert await gather(hub, 1, 3) == seen[0][2:]
        assert hub._viewers == set()
        later = Hub(store)  # of a server that knows nothing of these events
        second = await asyncio.to_thread(lambda: store.add(lambda: job("b"), None, "")[0])
        assert kinds(await gather(later, 1, 2)) == ["removed", "job"]
        assert second.id
        store.close()

    asyncio.run(watch())


def test_a_viewer_that_takes_nothing_is_cut_off(tmp_path: Path):
    async def watch() -> None:
        store = Store(tmp_path / "s.db")
        hub = Hub(store)
        hub.open(asyncio.get_running_loop())
        stream = hub.follow(None)
        await anext(stream)
        await anext(stream)
        for _ in range(_MOST_WAITING + 2):
            hub.on_row(1, {"epoch": 1})
            await asyncio.sleep(0)
        rest = [piece async for piece in stream]
        assert len(rest) <= 1
        store.close()

    asyncio.run(watch())
