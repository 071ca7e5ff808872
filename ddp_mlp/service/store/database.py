"""The file of the store: opened, and brought to the newest layout."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from ddp_mlp.errors import StorageError

#: What each version of the layout adds to the one before; `user_version` counts those that a file has.
_MIGRATIONS = (
    """
    CREATE TABLE jobs (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL,
        ranks INTEGER NOT NULL, threads INTEGER NOT NULL, priority INTEGER NOT NULL, after TEXT NOT NULL,
        created_utc TEXT NOT NULL, started_utc TEXT, ended_utc TEXT,
        restarts INTEGER NOT NULL, exit_code INTEGER, reason TEXT NOT NULL, waits_for TEXT NOT NULL,
        run_dir TEXT NOT NULL UNIQUE, config TEXT NOT NULL, overrides TEXT NOT NULL, arguments TEXT NOT NULL,
        progress TEXT NOT NULL, latest TEXT NOT NULL, best TEXT NOT NULL, sparkline TEXT NOT NULL,
        key TEXT UNIQUE, key_sha256 TEXT,
        token TEXT NOT NULL, attempts INTEGER NOT NULL, resumes INTEGER NOT NULL,
        vain INTEGER NOT NULL, reached INTEGER NOT NULL, passed INTEGER NOT NULL,
        memory_bytes INTEGER NOT NULL, slurm_job TEXT NOT NULL, version INTEGER NOT NULL
    );
    CREATE INDEX jobs_by_state ON jobs (state, id);
    CREATE INDEX jobs_by_version ON jobs (version);
    CREATE TABLE removed (id INTEGER PRIMARY KEY, version INTEGER NOT NULL);
    """,
)
#: Seconds to wait for another connection's transaction.
_BUSY_S = 30.0


def open_database(path: Path, *, durable: bool) -> sqlite3.Connection:
    """Open a store, which may be new, for threads that take turns.

    Parameters
    ----------
    durable : bool
        Whether a transaction is on the disk before it counts as done; else a power cut may take the newest ones.

    Raises
    ------
    StorageError
        If it cannot be opened, is no store, or was written by a later version.
    """
    try:
        connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        connection.execute("PRAGMA trusted_schema = OFF")
        _migrate(connection, path)
    except sqlite3.Error as error:
        raise StorageError(f"{path}: cannot be used as the store of a service: {error}") from None
    return connection


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > len(_MIGRATIONS):
            raise StorageError(f"{path}: written by a later version of ddp-mlp (layout {version}); upgrade to open it")
        for script in _MIGRATIONS[version:]:
            for statement in filter(str.strip, script.split(";")):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
