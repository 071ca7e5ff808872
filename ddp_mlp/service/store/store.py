"""The store of jobs, which holds whatever becomes of the server."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from ddp_mlp.errors import UsageError
from ddp_mlp.service.store.database import open_database
from ddp_mlp.service.store.job import ACTIVE, LIVE, Job

_JSON = ("after", "overrides", "arguments", "progress", "latest", "best", "sparkline")
_COLUMNS = tuple(name for name in Job.__dataclass_fields__)
#: Events that are left out after a start, for the last ones before it may not have been written down.
_GAP = 10**6
#: What a list is sorted by; all else is refused.
SORTS = ("id", "name", "state", "priority", "created_utc", "started_utc", "ended_utc", "best", "kind", "ranks")

#: Gets a job after each change, and its id alone where it was removed.
Listener = Callable[[Job | int, int], None]


class Store:
    """The jobs of a service.

    Each change is one transaction, numbered, and told to the `listener` after it.

    Attributes
    ----------
    listener : callable
        Called with the job, or the id of one that was removed, and the number of the event.
    """

    def __init__(self, path: Path) -> None:
        self.listener: Listener = lambda _job, _version: None
        self._lock = threading.RLock()
        self._durable = open_database(path, durable=True)
        self._light = open_database(path, durable=False)
        newest = [self._value(f"SELECT max(version) FROM {table}") or 0 for table in ("jobs", "removed")]
        self._version = max(newest) + _GAP if max(newest) else 0

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._durable.close()
            self._light.close()

    def next_version(self) -> int:
        """Return the number of a new event."""
        with self._lock:
            self._version += 1
            return self._version

    @property
    def version(self) -> int:
        """Number of the newest event."""
        return self._version

    def add(self, make: Callable[[], Job], key: str | None, key_sha256: str) -> tuple[Job, bool]:
        """Add the job that `make` returns, unless the same request has made one; return it, and whether it is new.

        Raises
        ------
        UsageError
            If the key was used for another request.
        """
        with self._lock:
            if key is not None and (known := self._first("SELECT * FROM jobs WHERE key = ?", key)):
                if known.key_sha256 != key_sha256:
                    raise UsageError(f"Idempotency-Key was used for another request, which made job {known.id}")
                return known, False
            job = make()
            fields = _packed({**vars(job), "key": key, "key_sha256": key_sha256, "version": self.next_version()})
            names = [name for name in _COLUMNS if name != "id"]
            with _transaction(self._durable) as connection:
                done = connection.execute(
                    f"INSERT INTO jobs ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
                    [fields[name] for name in names],
                )
            return self._told(self.get(done.lastrowid or 0)), True

    def get(self, job_id: int) -> Job:
        """Return a job.

        Raises
        ------
        LookupError
            If there is none.
        """
        job = self._first("SELECT * FROM jobs WHERE id = ?", job_id) if 0 < job_id < 2**63 else None
        if job is None:
            raise LookupError(f"no job {job_id}")
        return job

    def change(self, job_id: int, states: Sequence[str], **fields: Any) -> Job | None:
        """Change a job that is in one of these states, durably; return it, or None if it is in another one."""
        return self._update(self._durable, job_id, states, fields)

    def note(self, job_id: int, **fields: Any) -> Job | None:
        """Change fields that can be found out again: progress, or why a job waits."""
        return self._update(self._light, job_id, (), fields)

    def remove(self, job_id: int) -> None:
        """Remove a job."""
        with self._lock:
            version = self.next_version()
            with _transaction(self._durable) as connection:
                connection.execute("DELETE FROM jobs WHERE id = ?", (job_id,))
                connection.execute("INSERT OR REPLACE INTO removed VALUES (?, ?)", (job_id, version))
        self.listener(job_id, version)

    def live(self) -> list[Job]:
        """Return the jobs that wait or run."""
        return self._all(f"SELECT * FROM jobs WHERE state IN ({_marks(LIVE)}) ORDER BY id", *LIVE)

    def active(self) -> list[Job]:
        """Return the jobs that have a process, or are about to."""
        return self._all(f"SELECT * FROM jobs WHERE state IN ({_marks(ACTIVE)}) ORDER BY id", *ACTIVE)

    def states_of(self, ids: Sequence[int]) -> dict[int, str]:
        """Return the states of jobs; those that are not there are left out."""
        with self._lock:
            rows = self._light.execute(f"SELECT id, state FROM jobs WHERE id IN ({_marks(ids)})", list(ids))
            return {row["id"]: row["state"] for row in rows}

    def changed_since(self, version: int, most: int) -> tuple[list[Job], list[int]]:
        """Return the jobs that have changed after an event, and the ids of those that were removed; the newest ones."""
        with self._lock:
            jobs = self._all("SELECT * FROM jobs WHERE version > ? ORDER BY version DESC LIMIT ?", version, most)
            gone = self._light.execute("SELECT id FROM removed WHERE version > ? LIMIT ?", (version, most))
            return jobs[::-1], [row["id"] for row in gone]

    def page(
        self, state: str = "", search: str = "", sort: str = "-id", limit: int = 100, offset: int = 0
    ) -> tuple[list[Job], int]:
        """Return some of the jobs in an order, and how many there are.

        Parameters
        ----------
        state : str
            States with commas between them; empty for all.
        search : str
            A text in the name.
        sort : str
            A column of `SORTS`, with ``-`` before it for the other way round.
        limit, offset : int
            Which of them.

        Raises
        ------
        UsageError
            If there is no such column.
        """
        column, order = sort.lstrip("-"), "DESC" if sort.startswith("-") else "ASC"
        if column not in SORTS or sort not in (column, f"-{column}"):
            raise UsageError(f"sort: one of {', '.join(SORTS)}, with - before it for the other way round")
        by = "json_extract(best, '$.value')" if column == "best" else column
        states = [one for one in state.split(",") if one]
        where = "instr(lower(name), lower(?)) > 0" + (f" AND state IN ({_marks(states)})" if states else "")
        given: list[Any] = [search, *states]
        with self._lock:
            total = self._value(f"SELECT count(*) FROM jobs WHERE {where}", *given)
            query = f"SELECT * FROM jobs WHERE {where} ORDER BY {by} IS NULL, {by} {order}, id DESC LIMIT ? OFFSET ?"
            return self._all(query, *given, limit, offset), int(total)

    def taken(self, run_dir: str) -> bool:
        """Tell whether a job has this run directory."""
        return bool(self._value("SELECT count(*) FROM jobs WHERE run_dir = ?", run_dir))

    def _update(
        self, connection: sqlite3.Connection, job_id: int, states: Sequence[str], fields: dict[str, Any]
    ) -> Job | None:
        with self._lock:
            packed = _packed({**fields, "version": self.next_version()})
            assigned = ", ".join(f"{name} = ?" for name in packed)
            where = f"id = ? AND state IN ({_marks(states)})" if states else "id = ?"
            with _transaction(connection):
                done = connection.execute(
                    f"UPDATE jobs SET {assigned} WHERE {where}",
                    [*packed.values(), job_id, *states],
                )
            return self._told(self.get(job_id)) if done.rowcount else None

    def _told(self, job: Job) -> Job:
        self.listener(job, job.version)
        return job

    def _first(self, query: str, *given: Any) -> Job | None:
        return next(iter(self._all(query, *given)), None)

    def _all(self, query: str, *given: Any) -> list[Job]:
        with self._lock:
            return [_unpacked(row) for row in self._light.execute(query, given)]

    def _value(self, query: str, *given: Any) -> Any:
        with self._lock:
            return self._light.execute(query, given).fetchone()[0]


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _marks(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))


def _packed(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: msgspec.json.encode(value).decode() if name in _JSON else value for name, value in fields.items()}


def _unpacked(row: sqlite3.Row) -> Job:
    fields = {name: msgspec.json.decode(row[name]) if name in _JSON else row[name] for name in _COLUMNS}
    return Job(**{**fields, "resumes": bool(fields["resumes"])})
