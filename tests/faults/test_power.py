"""The power goes at any moment of a save, and with it any of what was not forced to disk: the state before or after.

A small model of a disk. A save is recorded as a list of operations; of any beginning of it, those
that no later `fsync` has confirmed may each be there or not, in any combination, and content that
was written may be there in part. That is less than any real file system promises.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ddp_mlp.checkpoint.checkpoint import list_checkpoints, newest_good, prune_checkpoints, save_checkpoint
from tests.checkpoint.test_checkpoint import checkpoint_image, checkpoint_of

KEEP = 3


@dataclass(frozen=True)
class Operation:
    """One change: `kind` is write, rename or unlink; `confirmed_at` is when it was forced to disk."""

    kind: str
    name: str
    to: str = ""
    content: bytes = b""


@pytest.fixture
def saved(tmp_path: Path) -> tuple[dict[str, bytes], list[Any], bytes]:
    """What a directory held before a save, what the save did, and the image that it saved.

    It did operations, and forced to disk what had a name. HDF5 notes the second, so no other image is the same.
    """
    for step in range(1, KEEP + 1):
        save_checkpoint(tmp_path, checkpoint_image(checkpoint_of(step)), step)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    done: list[Any] = []
    write, fsync, rename, unlink = os.write, os.fsync, os.rename, os.unlink

    def named(descriptor: int) -> str:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        return "" if path == tmp_path else path.name

    def note_write(descriptor: int, content: Any) -> int:
        count = write(descriptor, content)
        done.append(Operation("write", named(descriptor), content=bytes(content[:count])))
        return count

    def note_fsync(descriptor: int) -> None:
        fsync(descriptor)
        done.append(named(descriptor))

    def note_rename(name: str, to: str, **folders: int) -> None:
        done.append(Operation("rename", name, to))
        rename(name, to, **folders)

    def note_unlink(name: str, **folder: int) -> None:
        done.append(Operation("unlink", name))
        unlink(name, **folder)

    image = checkpoint_image(checkpoint_of(KEEP + 1))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "write", note_write)
        patched.setattr(os, "fsync", note_fsync)
        patched.setattr(os, "rename", note_rename)
        patched.setattr(os, "unlink", note_unlink)
        save_checkpoint(tmp_path, image, KEEP + 1)
        prune_checkpoints(tmp_path, KEEP, KEEP + 1)
    return before, done, image


def states(before: dict[str, bytes], done: list[Any]) -> Iterator[dict[str, bytes]]:
    """Yield what a disk may hold after any beginning of a save."""
    for stop in range(len(done) + 1):
        part = done[:stop]
        certain, open_ = [], []
        for i, operation in enumerate(part):
            if isinstance(operation, Operation):
                forced = operation.name if operation.kind == "write" else ""
                (certain if forced in part[i + 1 :] else open_).append((i, operation))
        for size in range(len(open_) + 1):
            for chosen in itertools.combinations(open_, size):
                for part_of_content in (0.0, 0.5, 1.0):
                    lost = {i for i, _ in open_} - {i for i, _ in chosen}
                    yield _apply(before, sorted([*certain, *open_]), lost, {i for i, _ in chosen}, part_of_content)


def _apply(
    before: dict[str, bytes], operations: list[Any], lost: set[int], unsure: set[int], part: float
) -> dict[str, bytes]:
    disk, pages = dict(before), {}
    for i, operation in operations:
        if operation.kind == "write":
            content = operation.content
            if i in lost:
                content = b""
            elif i in unsure:
                content = content[: int(part * len(content))]
            pages[operation.name] = pages.get(operation.name, b"") + content
        elif i not in lost:
            if operation.kind == "rename":
                disk[operation.to] = pages.get(operation.name, b"")
            else:
                disk.pop(operation.name, None)
    return disk


def test_every_state_of_the_disk_is_before_or_after(saved, tmp_path_factory):
    before, done, _ = saved
    assert [x.kind for x in done if isinstance(x, Operation)] == ["write", "rename", "unlink"]
    count = 0
    for disk in states(before, done):
        count += 1
        directory = tmp_path_factory.mktemp("disk")
        for name, content in disk.items():
            (directory / name).write_bytes(content)
        found, passed_over = newest_good(directory)
        assert found is not None
        assert found.state.progress.step in (KEEP, KEEP + 1)
        assert passed_over == [], "a name is there before its content"
        assert len(list_checkpoints(directory)) >= KEEP, "one is gone before the new one is there"
    assert count > 10


def test_after_the_save_the_new_one_is_there_whatever_is_lost(saved):
    before, done, image = saved
    unlink = next(i for i, x in enumerate(done) if isinstance(x, Operation) and x.kind == "unlink")
    for disk in states(before, done[:unlink]):
        last = disk
    assert f"step-{KEEP + 1:08d}.h5" in last
    for stop in (unlink, len(done)):
        whole = done[:stop]
        for lost in ((), (unlink,)):
            kept = [(i, x) for i, x in enumerate(whole) if isinstance(x, Operation)]
            disk = _apply(before, kept, set(lost), set(), 1.0)
            assert disk[f"step-{KEEP + 1:08d}.h5"] == image


def test_the_model_finds_a_save_that_forces_nothing(saved):
    """With the calls of `fsync` left out of the record, states are lost: so the model can tell."""
    before, done, _ = saved
    careless = [x for x in done if isinstance(x, Operation)]
    names = [set(disk) for disk in states(before, careless)]
    empty = [disk for disk in states(before, careless) if disk.get(f"step-{KEEP + 1:08d}.h5") == b""]
    assert empty
    assert any(len(found) < KEEP for found in names)
