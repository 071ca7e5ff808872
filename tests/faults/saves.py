"""Faults while a checkpoint is written, and damage to it afterwards.

The rule: once "saved step N" was said, a start finds step N or later; at any time it finds
what was there before a save or what is there after it, never less, and never a stranger.
"""

from __future__ import annotations

import errno
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from ddp_mlp.checkpoint.checkpoint import list_checkpoints, newest_good
from ddp_mlp.checkpoint.sealed_hdf5 import verify_image
from ddp_mlp.errors import DataError, StorageError
from ddp_mlp.run.files.writer import RunWriter
from tests.faults.forks import in_child
from tests.faults.stores import KEEP, Store, filled_store
from tests.faults.table import Row

#: System calls of a save that touch a file.
_CALLS = (
    "openat,write,fsync,fdatasync,close,rename,renameat,renameat2,unlink,unlinkat,read,pread64,lseek,fstat,"
    "newfstatat,statx,getdents64,mkdir,ioctl,fcntl"
)


def _fast_disk() -> Path | None:
    """Return a directory in memory: what a killed process has written is there, forced to a disk or not."""
    memory = Path("/dev/shm")  # noqa: S108 - a directory of its own is made in it
    return memory if os.access(memory, os.W_OK) else None


def kills(n: int, seed: int = 0) -> Row:
    """Kill a process that saves and saves, at random times."""
    row, rng = Row("kill -9 while saving", note=f"seed {seed}"), random.Random(seed)  # noqa: S311 - faults, not secrets
    saved_while_killed = 0
    with filled_store(_fast_disk()) as store:
        last = KEEP
        for _ in range(n):

            def save_for_ever(out: int, first: int = last + 1) -> int:
                writer = store.start()
                os.write(out, b"ready\n")
                for step in range(first, first + 10_000):
                    store.save(writer, step)
                    os.write(out, f"saved {step}\n".encode())
                return 0

            child = in_child(save_for_ever, kill_after_s=rng.uniform(0, 0.06))
            announced = [int(step) for step in re.findall(r"saved (\d+)\n", child.said)]
            saved_while_killed += len(announced)
            found = store.newest()
            row.trials += 1
            row.check(good=child.code == -9, otherwise=f"the child ended by itself: {child}")
            row.check(good=found >= max([last, *announced]), otherwise=f"announced {announced[-1:]}, found {found}")
            row.check(good=(n := store.n_good()) >= KEEP, otherwise=f"only {n} good checkpoints")
            store.check(row, f"step {found}")
            last = found
        row.note += f", {saved_while_killed} saves between the kills"
    return row


def _trace(store: Store, step: int, options: list[str]) -> tuple[int, str, str]:
    """Save once under strace; return exit code, what the child said, and the trace."""
    files = store.start()
    reader, writer = os.pipe()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    pid = os.fork()
    if pid == 0:
        signal.sigwait({signal.SIGUSR1})  # until strace is there; it must not be a call that strace counts
        os._exit(_save_and_say(store, files, step, writer))
    os.close(writer)
    with tempfile.TemporaryDirectory(prefix="ddp-mlp-strace-") as folder:
        log = Path(folder) / "log"
        command = ["strace", "-qq", "-o", str(log), "-e", f"trace={_CALLS}", *options, "-p", str(pid)]
        tracer = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        _await_tracer(pid)
        os.kill(pid, signal.SIGUSR1)
        with os.fdopen(reader, "rb") as pipe:
            said = pipe.read().decode(errors="replace")
        _, status = os.waitpid(pid, 0)
        tracer.wait(timeout=20)
        return os.waitstatus_to_exitcode(status), said, log.read_text(errors="replace")


def _save_and_say(store: Store, files: RunWriter, step: int, writer: int) -> int:
    """Save, and say what came of it in one write; 98 marks an exception that is not for the user."""
    try:
        store.save(files, step)
    except (StorageError, DataError) as error:
        os.write(writer, f"error {error}".encode())
        return 74
    except BaseException as error:
        os.write(writer, f"escaped {error!r}".encode())
        return 98
    os.write(writer, b"saved")
    return 0


def _await_tracer(pid: int) -> None:
    until = time.monotonic() + 20
    while "TracerPid:\t0" in Path(f"/proc/{pid}/status").read_text():
        if time.monotonic() > until:
            raise TimeoutError("strace did not attach")
        time.sleep(0.002)


def why_no_strace() -> str:
    """Return why system calls cannot be made to fail here; nothing if they can."""
    if not shutil.which("strace"):
        return "no strace; apt-get install strace"
    tried = subprocess.run(["strace", "-qq", "-o", os.devnull, "true"], capture_output=True, text=True, check=False)
    return "" if tried.returncode == 0 else f"strace may not trace: {tried.stderr.strip().splitlines()[-1:]}"


def system_calls(stride: int = 1) -> Row:
    """Let the n-th call of each kind that a save makes be the last one, or fail; every n, or each `stride`-th."""
    row = Row("each system call of a save x killed, ENOSPC, EIO")
    if reason := why_no_strace():
        row.note = f"left out: {reason}"
        return row
    with filled_store() as store:
        counts = _count_calls(store)
        cases = [
            (call, n, fault)
            for call, count in sorted(counts.items())
            for n in range(1, count + 1)
            for fault in ("signal=KILL", "error=ENOSPC", "error=EIO")
        ]
        for call, n, fault in cases[::stride]:
            _inject(row, store, call, n, fault)
        row.note = f"{sum(counts.values())} calls: " + ", ".join(f"{n} {call}" for call, n in sorted(counts.items()))
    return row


def _count_calls(store: Store) -> Counter[str]:
    """Return how often a save makes each call, but the last write, which tells of it."""
    _, _, trace = _trace(store, _odd(store) + 1, [])
    counts = Counter(re.findall(r"^(\w+)\(", trace, re.MULTILINE))
    counts["write"] -= 1
    return counts


def _odd(store: Store) -> int:
    """Return the newest step, after a save if need be, so that the next one has a better model."""
    if store.newest() % 2 == 0:
        store.save(store.start(), store.newest() + 1)
    return store.newest()


def _inject(row: Row, store: Store, call: str, n: int, fault: str) -> None:
    before = _odd(store)
    code, said, _ = _trace(store, before + 1, ["-e", f"inject={call}:{fault}:when={n}"])
    case = f"{call} {n} {fault}"
    after = store.newest()
    row.trials += 1
    row.check(good=after in (before, before + 1), otherwise=f"{case}: step {before}, then {after}")
    row.check(good=said != "saved" or after == before + 1, otherwise=f"{case}: said saved, found {after}")
    row.check(good=(good := store.n_good()) >= KEEP, otherwise=f"{case}: only {good} good checkpoints")
    killed = fault == "signal=KILL"
    row.check(good=code == -9 if killed else code in (0, 74), otherwise=f"{case}: exit code {code}, {said}")
    if said.startswith("error"):
        row.check(good="\n" not in said, otherwise=f"{case}: {said}")
    left = [path.name for path in store.path.rglob(".*.tmp")]
    row.check(good=killed or not left or call.startswith("unlink"), otherwise=f"{case}: {left} stay behind")
    store.check(row, case)


def bit_flips(n: int, seed: int = 0) -> Row:
    """Flip single bits of a checkpoint."""
    row, rng = Row("single bits of a checkpoint flipped", note=f"seed {seed}"), random.Random(seed)  # noqa: S311 - faults, not secrets
    with filled_store() as store:
        image = bytearray(store.image(7))
        for _ in range(n):
            at, bit = rng.randrange(len(image)), 1 << rng.randrange(8)
            image[at] ^= bit
            row.trials += 1
            try:
                verify_image(bytes(image), "file")
                row.failures.append(f"byte {at}, bit {bit}: not detected")
            except DataError:
                pass
            image[at] ^= bit
        row.note += f", {len(image)} bytes"
    return row


def truncations(parts: int = 64) -> Row:
    """Cut the newest checkpoint, swap its blocks, append to it: a start takes the one before."""
    row = Row("newest checkpoint cut at each 1/64, swapped, appended to")
    with filled_store() as store:
        path = list_checkpoints(store.checkpoints)[0]
        image, step = path.read_bytes(), store.newest()
        swapped = image[:4096] + image[8192:12288] + image[4096:8192] + image[12288:]
        damaged = [image[: len(image) * part // parts] for part in range(parts)]
        damaged += [image[:1], image[:511], image[:512], image[:-1], image + b"\0", swapped]
        for content in damaged:
            path.write_bytes(content)
            found, passed_over = newest_good(store.checkpoints)
            row.trials += 1
            good = found is not None and found.state.progress.step == step - 1 and len(passed_over) == 1
            row.check(good=good, otherwise=f"{len(content)} of {len(image)} bytes: {found and found.path.name}")
        path.write_bytes(image)
        row.check(good=store.newest() == step, otherwise="the whole one is not good either")
    return row


def small_disk(directory: Path) -> Row:
    """Save until a real file system is full, by and by: what is there stays as it was, and a start puts it right."""
    row = Row("saves on a full tmpfs")
    with filled_store() as store:
        own = replace(store, path=directory / "store")
        writer = own.start()
        own.save(writer, 1)
        filler = directory / "filler"
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 4096)
            except OSError as error:
                row.check(good=error.errno == errno.ENOSPC, otherwise=str(error))
        size = filler.stat().st_size
        for freed in range(0, 2 * len(store.image(2)) + 16384, 4096):
            os.truncate(filler, size - freed)
            before = own.announced()
            row.trials += 1
            try:
                own.save(writer, before + 1)
                row.check(good=own.announced() == before + 1, otherwise=f"{freed} bytes free: said saved, is not")
            except StorageError as error:
                row.check(good="No space left" in str(error), otherwise=str(error))
                row.check(good=own.newest() >= before, otherwise=f"{freed} bytes free: step {before} is lost")
            row.check(good=not list(own.path.rglob(".*.tmp")), otherwise=f"{freed} bytes free: temporary file left")
        row.check(good=own.announced() > 1, otherwise="nothing could be saved with room enough")
        filler.unlink()
        own.check(row, "with room enough")
    return row
