"""A disk that is full, and caches of compiled kernels that are damaged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.jobs import clean_environment, make_folder
from tests.faults.saves import small_disk
from tests.faults.table import Row


@contextmanager
def mounted(size: str) -> Iterator[Path | None]:
    """Provide a small file system of its own, or None where this user may not mount one."""
    with tempfile.TemporaryDirectory(prefix="ddp-mlp-faults-") as name:
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", name]
        try:
            done = subprocess.run(command, capture_output=True, check=False)
        except OSError:
            yield None
            return
        if done.returncode:
            yield None
            return
        try:
            yield Path(name)
        finally:
            subprocess.run(["umount", name], check=True)


def full_disks() -> list[Row]:
    """Fill real file systems, under saves and under a whole run."""
    with mounted("128k") as directory:
        if directory is None:
            return [Row("saves on a full tmpfs", note="left out: this user may not mount a tmpfs")]
        rows = [small_disk(directory)]
    with mounted("160k") as directory, tempfile.TemporaryDirectory(prefix="ddp-mlp-faults-") as name:
        assert directory is not None
        return [*rows, _run_on(directory, make_folder(Path(name)))]


def _run_on(directory: Path, folder: Path) -> Row:
    """Train on a disk that becomes full: the last good checkpoint stays, and a start with room goes on."""
    row = Row("a run whose disk becomes full", trials=1)
    run = directory / "run"
    command = [sys.executable, "-m", "ddp_mlp", "train", "c.toml", "--out", str(run), "--json"]

    def train(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *options], cwd=folder, env=clean_environment(), capture_output=True, text=True, timeout=300
        )

    first = train("--set", "train.epochs=2")
    row.check(good=first.returncode == 0, otherwise=first.stderr)
    filler = directory / "filler"
    free = os.statvfs(directory).f_bavail * os.statvfs(directory).f_frsize
    filler.write_bytes(b"\0" * max(0, free - 4096))
    full = train("--set", "train.epochs=60", "--resume")
    lines = [line for line in full.stderr.splitlines() if line.startswith("error")]
    row.check(good=full.returncode in (73, 74), otherwise=f"exit code {full.returncode}: {full.stderr[-500:]}")
    row.check(good=len(lines) == 1 and "No space left" in lines[0], otherwise=full.stderr[-500:])
    filler.unlink()
    again = train("--set", "train.epochs=4", "--resume")
    row.check(good=again.returncode == 0, otherwise=again.stderr[-500:])
    row.check(good="passed over" not in again.stderr, otherwise=again.stderr)
    row.check(good=not list(run.rglob(".*.tmp")), otherwise="a temporary file stays behind")
    return row


def damaged_caches(n: int) -> Row:
    """Start with a cache of compiled kernels that was cut, changed, emptied, or cannot be written."""
    row = Row("damaged or unwritable cache of kernels")
    with tempfile.TemporaryDirectory(prefix="ddp-mlp-faults-") as name:
        folder, cache = make_folder(Path(name)), Path(name) / "cache"
        train = [sys.executable, "-m", "ddp_mlp", "train", "c.toml", "--set", "train.epochs=1", "--json", "--out"]
        hashes = set()
        for i in range(n + 1):
            damage(cache, i)
            done = subprocess.run(
                [*train, f"run-{i}"],
                cwd=folder,
                env=clean_environment(DDP_MLP_CACHE_DIR=str(cache), XDG_CACHE_HOME=f"{name}/user", TMPDIR=name),
                capture_output=True,
                text=True,
                timeout=600,
                check=False,
            )
            row.trials += 1
            row.check(good=done.returncode == 0, otherwise=done.stderr[-500:])
            if done.returncode == 0:
                hashes.add(json.loads(done.stdout)["weights_sha256"])
        row.check(good=len(hashes) == 1, otherwise=f"other weights: {hashes}")
    return row


def damage(cache: Path, kind: int) -> None:
    """Damage a cache in one of several ways, the first of which is that there is none yet."""
    for path in cache.glob("kernels-*"):
        content = path.read_bytes()
        if kind % 4 == 1:
            path.write_bytes(content[: len(content) // 2])
        elif kind % 4 == 2:
            path.write_bytes(content[:1000] + bytes([content[1000] ^ 1]) + content[1001:])
        elif kind % 4 == 3:
            path.write_bytes(b"")
        else:
            path.unlink()
