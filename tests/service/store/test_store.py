"""The store: one transaction a change, and nothing that a reader could miss."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ddp_mlp.errors import StorageError, UsageError
from ddp_mlp.service.store.job import Job, public
from ddp_mlp.service.store.store import Store


def job(name: str = "a", **fields: object) -> Job:
    base = {
        "id": 0, "name": name, "kind": "train", "state": "queued", "ranks": 1, "threads": 1, "priority": 0,
        "after": [], "created_utc": "2026-01-01", "run_dir": f"runs/{name}", "config": "",
    }  # fmt: skip
    return Job(**{**base, **fields})  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path):
    opened = Store(tmp_path / "s.db")
    yield opened
    opened.close()


def test_a_job_comes_back_as_it_was_put_in(store: Store):
    put = job("a", after=[3], overrides={"train.epochs": 2}, best={"metric": "m", "value": 0.5, "epoch": 1})
    got, is_new = store.add(lambda: put, "k", "hash")
    assert is_new
    assert public(got) == {**public(put), "id": got.id, "version": got.version}
    assert (got.overrides, got.resumes) == (put.overrides, False)


def test_one_key_is_one_job(store: Store):
    first, _ = store.add(lambda: job("a"), "k", "hash")
    assert store.add(lambda: job("b"), "k", "hash") == (first, False)
    with pytest.raises(UsageError, match=f"made job {first.id}"):
        store.add(lambda: job("b"), "k", "other")
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: store.add(lambda: job(f"c{n}"), "same", "hash")[0].id, range(32)))
    assert len(set(made)) == 1


def test_a_change_is_made_once_by_whoever_comes_first(store: Store):
    number = store.add(job, None, "")[0].id
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: store.change(number, ("queued",), state="running"), range(16)))
    assert sum(one is not None for one in done) == 1
    assert store.change(number, ("queued",), state="failed") is None
    assert store.get(number).state == "running"


def test_events_are_numbered_on_over_restarts(tmp_path: Path):
    store = Store(tmp_path / "s.db")
    told: list[int] = []
    store.listener = lambda _job, version: told.append(version)
    first = store.add(lambda: job("a"), None, "")[0]
    second = store.add(lambda: job("b"), None, "")[0]
    seen = store.next_version()  # of an epoch, which is not kept
    store.close()
    store = Store(tmp_path / "s.db")
    store.change(first.id, ("queued",), state="stopped")
    store.remove(second.id)
    jobs, gone = store.changed_since(seen, 10)
    assert ([one.id for one in jobs], gone) == ([first.id], [second.id])
    assert told == sorted(set(told))
    store.close()


def test_a_page_is_in_order_and_holds_what_is_asked(store: Store):
    for n, value in enumerate([0.3, None, 0.1]):
        best = None if value is None else {"metric": "valid_loss", "value": value, "epoch": 1}
        store.add(lambda n=n, best=best: job(f"Run{n}", best=best, priority=n), None, "")  # type: ignore[misc]
    assert [one.name for one in store.page(sort="best")[0]] == ["Run2", "Run0", "Run1"]
    assert [one.name for one in store.page(sort="-priority", limit=1, offset=1)[0]] == ["Run1"]
    assert store.page(search="run2")[1] == 1
    assert store.page(state="running")[1] == 0
    assert store.page(search="%")[1] == 0
    for bad in ("config", "id; DROP TABLE jobs", "--id", ""):
        with pytest.raises(UsageError):
            store.page(sort=bad)
    assert store.page()[1] == 3


def test_a_file_of_a_later_version_is_left_alone(tmp_path: Path):
    with sqlite3.connect(tmp_path / "s.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StorageError, match="later version"):
        Store(tmp_path / "s.db")
    (tmp_path / "t.db").write_bytes(b"no store at all" * 100)
    with pytest.raises(StorageError, match="cannot be used"):
        Store(tmp_path / "t.db")


def test_a_start_is_on_the_disk_before_it_happens(store: Store):
    assert store._durable.execute("PRAGMA synchronous").fetchone()[0] == 2
    assert store._durable.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


def test_there_is_no_job_of_any_other_number(store: Store):
    for number in (0, -1, 7, 2**70):
        with pytest.raises(LookupError):
            store.get(number)
