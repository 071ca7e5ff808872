"""One job at a time in a run directory: a lock that dies with its owner.

The owner holds a `flock` on the file ``.lock``, which the kernel releases however the
process ends, and which NFS passes on to the server. Not every file system shares such locks
between nodes, so the owner also touches the file every few seconds; a job on another node
that gets the lock although the file names a stranger watches it before it believes that the
stranger is gone. All times are the file server's, so clocks of nodes need not agree.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from ddp_mlp.errors import OutputError

#: Seconds between signs of life, and without one until an owner on another node counts as dead.
BEAT_S = 5.0
PATIENCE_S = 30.0

#: What file systems without locks answer.
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}


@dataclass(frozen=True)
class Owner:
    """Who holds a run directory, as written in its lock file.

    Attributes
    ----------
    token : str
        Differs for every process that ever held a lock.
    job, restarts : str
        Slurm's job id and how often it was requeued; empty outside Slurm.
    boot : str
        Id of this start of the machine's kernel.
    pid, started : int
        Process id, and when it started in ticks since boot: ids are used again.
    """

    token: str
    job: str
    restarts: str
    host: str
    boot: str
    pid: int
    started: int
    since_utc: str

    def __str__(self) -> str:
        job = f"job {self.job} on " if self.job else ""
        return f"{job}{self.host}, pid {self.pid}, since {self.since_utc}"


def this_process() -> Owner:
    """Return this process as an owner."""
    return Owner(
        token=uuid.uuid4().hex,
        job=os.environ.get("SLURM_JOB_ID", ""),
        restarts=os.environ.get("SLURM_RESTART_COUNT", ""),
        host=socket.gethostname(),
        boot=Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        pid=os.getpid(),
        started=_start_of(os.getpid()) or 0,
        since_utc=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _start_of(pid: int) -> int | None:
    """Return when a process of this machine started, in ticks since boot; None if there is none."""
    try:
        # The second field is the name, in parentheses, and may hold anything, spaces too.
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None


class RunLock:
    """The right to write into a run directory, from `acquire` to `release`."""

    def __init__(self, directory: Path, tell: Callable[[str], None]) -> None:
        self._path = directory / ".lock"
        self._tell = tell
        self._own = this_process()
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
        self._beating = threading.Thread(target=self._beat, daemon=True)
        self._beating.start()

    def check(self) -> None:
        """Raise OutputError unless the lock is still ours: it may have gone while this node hung."""
        owner = _read(self._path)
        if owner is None or owner.token != self._own.token:
            taker = owner or "a job that has ended"
            raise OutputError(f"{self._path.parent} was taken over by {taker}; this run writes nothing more into it")

    def release(self) -> None:
        """Give the lock back; without effect if it is not held."""
        if self._descriptor < 0:
            return
        self._released.set()
        self._beating.join()
        owner = _read(self._path)
        if owner and owner.token == self._own.token:
            self._path.unlink(missing_ok=True)  # before the lock is gone: nobody can hold another file's
        os.close(self._descriptor)
        self._descriptor = -1

    def _take(self) -> int:
        while True:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
            try:
                locked = _flock(descriptor)
                owner = _read(self._path)
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
            return not known_dead_here and _start_of(owner.pid) == owner.started
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
        return False

    def _touched(self) -> float:
        """Return when the lock file was touched; opened anew, since NFS keeps old answers otherwise."""
        descriptor = os.open(self._path, os.O_RDONLY)
        try:
            return os.fstat(descriptor).st_mtime
        finally:
            os.close(descriptor)

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
            with contextlib.suppress(OSError):  # it may be gone, which `check` tells
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
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _read(path: Path) -> Owner | None:
    """Return the owner that a lock file names; None if it is not there, empty or cut short."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Owner)
    except (OSError, msgspec.DecodeError):
        return None
