"""One job at a time in a run directory: a lock that dies with its owner.

The owner holds a `flock` on the file ``.lock``, which the kernel releases however the
process ends, and which NFS passes on to the server. Not every file system shares such locks
between nodes, so the owner also touches the file every few seconds; a job on another node
that gets the lock although the file names a stranger watches it before it believes that the
stranger is gone. All times are the file server's, so clocks of nodes need not agree.

An owner that hung may be taken for dead and wake up. The file holds a token that differs
for every owner, so `check`, asked before each change to the directory, tells it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from ddp_mlp.comm import Communicator
from ddp_mlp.errors import DdpMlpError, OutputError, StorageError
from ddp_mlp.plain_files import NotPlainError, open_own, open_plain, read_json
from ddp_mlp.run.files.lives import start_of
from ddp_mlp.run.files.lock_owner import Owner, read_owner, this_process

#: Seconds between signs of life, and without one until an owner on another node counts as dead.
BEAT_S = 5.0
PATIENCE_S = 30.0

#: Seconds that whoever takes over needs to write its name.
_WRITING_S = 0.1

#: The answers of file systems without locks.
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}


class RunLock:
    """The right to write into a run directory, from `acquire` to `release`.

    Attributes
    ----------
    last_owner_may_wake : bool
        Whether the last owner is only taken for dead, since it was silent for long, and may wake up.
    """

    def __init__(self, directory: Path, tell: Callable[[str], None]) -> None:
        self.last_owner_may_wake = False
        self._path = directory / ".lock"
        self._tell = tell
        self._own = this_process()
        self._token = ""  # of the owner whose right this is, from `acquire` or `share` to `release`
        self._taker = ""
        self._descriptor = -1
        self._released = threading.Event()
        self._beating = threading.Thread()

    def acquire(self) -> None:
        """Take the lock, if need be from an owner that is gone.

        Raises
        ------
        OutputError
            If a live job holds it, or the lock file cannot be written.
        """
        try:
            self._descriptor = self._take()
        except OSError as error:
            raise OutputError(f"cannot lock the run directory: {self._path}: {error.strerror}") from None
        self._token = self._own.token
        self._beating = threading.Thread(target=self._beat, daemon=True)
        self._beating.start()

    def share(self, comm: Communicator) -> None:
        """Collective. Let all ranks check the lock that rank 0 holds, as one of them may have to write in its place."""
        self._token = comm.share_text(self._token)[0]

    def check(self) -> None:
        """Raise unless the run directory is still ours: it may have been taken over while this node hung.

        Raises
        ------
        OutputError
            If it is not; then it never will be again.
        StorageError
            If the lock file cannot be read.
        """
        if not self._token:
            raise OutputError(f"{self._path.parent} is not held by this run, which writes nothing into it")
        self._taker = self._taker or self._find_taker()
        if self._taker:
            raise OutputError(
                f"{self._path.parent} was taken over by {self._taker}; this run writes nothing more into it"
            )

    def release(self) -> None:
        """Give the lock back, as far as that can be done. It never raises: an earlier failure counts more."""
        token, self._token = self._token, ""
        if self._descriptor < 0:
            return
        self._released.set()
        if self._beating.is_alive():
            self._beating.join()
        with contextlib.suppress(OSError):
            owner = read_owner(self._path)
            if owner and owner.token == token:
                self._path.unlink()  # before the lock is gone: nobody can hold another file's
        with contextlib.suppress(OSError):
            os.close(self._descriptor)
        self._descriptor = -1

    def _find_taker(self) -> str:
        """Return who holds the directory instead of us; empty if we do."""
        try:
            owner = read_json(self._path, Owner)
            if owner is None:
                time.sleep(_WRITING_S)
                owner = read_json(self._path, Owner)
        except FileNotFoundError:
            return "a job that has ended"
        except NotPlainError as error:
            return f"somebody else (its lock file is {error.strerror} now)"
        except OSError as error:
            raise StorageError(f"{self._path}: cannot see whether this run may write: {error.strerror}") from None
        if owner is None:
            return "another job"
        return "" if owner.token == self._token else str(owner)

    def _take(self) -> int:
        while True:
            descriptor = open_own(self._path, os.O_RDWR | os.O_CREAT)
            try:
                locked = _flock(descriptor)
                owner = read_owner(self._path)
                if locked is False or (owner and self._lives(owner, known_dead_here=bool(locked))):
                    raise OutputError(
                        f"{self._path.parent} is in use by {owner or 'another job'}; "
                        "wait for it to end, or choose another --out"
                    )
                if not _is_same_file(descriptor, self._path):
                    os.close(descriptor)  # its owner left and took the file away meanwhile
                    continue
                text = json.dumps(asdict(self._own)).encode()
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, text, 0)
                os.fsync(descriptor)
            except BaseException:
                os.close(descriptor)
                raise
            if owner:
                self._tell(f"took over the run directory: its last owner is gone ({owner})")
            return descriptor

    def _lives(self, owner: Owner, *, known_dead_here: bool) -> bool:
        """Tell whether an owner may still be at work although its lock did not stop us."""
        own = self._own
        if (owner.host, owner.boot) == (own.host, own.boot):
            return not known_dead_here and start_of(owner.pid) == owner.started
        if owner.job and owner.job == own.job and owner.restarts != own.restarts:
            return False  # requeued: Slurm starts a job again only when all of it has ended
        return self._still_beats(owner)

    def _still_beats(self, owner: Owner) -> bool:
        """Watch the lock file until it is touched, or has not been for too long."""
        last = self._touched()
        if self._now() - last < PATIENCE_S:
            self._tell(f"waiting up to {PATIENCE_S:.0f} s to see whether the last owner lives ({owner})")
        while self._now() - last < PATIENCE_S:
            time.sleep(BEAT_S / 5)
            if self._touched() != last:
                return True
        self.last_owner_may_wake = True
        return False

    def _touched(self) -> float:
        """Return when the lock file was touched; opened anew, since NFS keeps old answers otherwise."""
        with open_plain(self._path) as file:
            return os.fstat(file.fileno()).st_mtime

    def _now(self) -> float:
        """Return the file server's time."""
        probe = self._path.with_name(f".now-{self._own.token}")
        descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.utime(descriptor)
            return os.fstat(descriptor).st_mtime
        finally:
            os.close(descriptor)
            probe.unlink()

    def _beat(self) -> None:
        while not self._released.wait(BEAT_S):
            # Whoever has taken over writes into the same file: our heart must not beat for it.
            with contextlib.suppress(OSError, DdpMlpError):
                self.check()
                os.utime(self._descriptor)


def _flock(descriptor: int) -> bool | None:
    """Lock a file if it can be had at once: True or False; None where the file system has no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return None
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise
    return True


def _is_same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False
