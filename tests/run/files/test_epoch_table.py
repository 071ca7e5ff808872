"""Tables of one row an epoch: they grow, and whatever becomes of the file, a run goes on in it."""

from __future__ import annotations

import csv
import errno
import os
from collections.abc import Callable, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from ddp_mlp.checkpoint.history import Cells, cells_of, extended
from ddp_mlp.errors import OutputError, StorageError
from ddp_mlp.run.files.epoch_table import EpochTable
from ddp_mlp.run.files.table_lines import read_table

COLUMNS = ["epoch", "step", "train_loss", "valid_loss", "wall_s"]


def row(epoch: int, **changed: Any) -> Cells:
    told = {"epoch": epoch, "step": epoch * 10, "train_loss": 1 / (epoch + 2), "valid_loss": "", "wall_s": 1 / 3}
    return cells_of(told | changed)


def rows(n: int, first: int = 1) -> list[Cells]:
    return [row(epoch) for epoch in range(first, n + 1)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics.csv"


@pytest.fixture
def told() -> list[str]:
    return []


def resumed(path: Path, told: list[str], epoch: int, known: Sequence[int] = ()) -> EpochTable:
    """Go on after some epochs; a checkpoint knows the rows of the last one, the best one, and their hash."""
    sha256 = reduce(extended, rows(epoch), "")
    kept = [row(each) for each in sorted({*known, epoch} - {0})]
    return EpochTable(path, told.append, epoch=epoch, known=kept, history_sha256=sha256)


def write(path: Path, n: int) -> bytes:
    table = EpochTable(path, lambda _: None)
    table.append(rows(n))
    table.sync()
    return path.read_bytes()


def epochs(path: Path) -> list[int]:
    """Read with a common reader of tables, which minds every line."""
    with path.open(newline="") as file:
        found = list(csv.reader(file, strict=True))
    assert found[0] == COLUMNS
    assert all(len(cells) == len(COLUMNS) for cells in found)
    return [int(cells[0]) for cells in found[1:]]


def test_it_grows_by_what_is_new(path: Path, told: list[str]) -> None:
    table = EpochTable(path, told.append)
    table.append([])
    assert not path.exists(), "no header before there is a row to name the columns"
    table.append(rows(1))
    table.append(rows(3, first=2))
    assert epochs(path) == [1, 2, 3]
    assert table.waiting(2) == rows(2), "they may still be lost"
    table.sync()
    assert table.waiting(9) == []
    assert told == []


def test_computed_numbers_keep_all_digits(path: Path) -> None:
    write(path, 1)
    (found,) = read_table(path)
    assert float(found["train_loss"]) == 1 / 3
    assert found["wall_s"] == "0.333333"
    assert found["valid_loss"] == ""


def test_an_epoch_computed_twice_keeps_its_first_row(path: Path, told: list[str]) -> None:
    """Killed after the row and before the checkpoint: the same numbers come again, at another speed."""
    whole = write(path, 5)
    table = resumed(path, told, 2)
    for epoch in (3, 4, 5, 6):
        table.append([row(epoch, wall_s=7.0)])
    assert path.read_bytes().startswith(whole)
    assert [(r["epoch"], r["wall_s"]) for r in read_table(path)][4:] == [("5", "0.333333"), ("6", "7")]
    assert told == []


def test_rows_of_an_attempt_that_nothing_is_left_of_are_replaced(path: Path, told: list[str]) -> None:
    """No checkpoint yet, and another learning rate than before: other numbers."""
    write(path, 5)
    table = EpochTable(path, told.append)
    table.append([row(1)])
    table.append([row(2, train_loss=0.5)])
    assert [r["train_loss"] for r in read_table(path)] == [repr(1 / 3), "0.5"]


def test_rows_that_the_run_ends_before_are_cut_off(path: Path, told: list[str]) -> None:
    write(path, 9)
    table = resumed(path, told, 5)
    table.append([row(6)])
    table.sync()
    table.cut()
    assert epochs(path) == [1, 2, 3, 4, 5, 6]
    assert told == []


@pytest.mark.parametrize("epoch", [6, 4])
def test_cut_after_any_byte(path: Path, epoch: int) -> None:
    """A cut last row is dropped and written again; what was cut before it is told of; two resumes, both go on."""
    whole = write(path, 6)
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        whole_rows = max(0, whole[:size].count(b"\n") - 1)
        told: list[str] = []
        table = resumed(path, told, epoch, known=[2])
        table.append([])
        table.append(rows(epoch + 2, first=epoch + 1))
        table.sync()
        expected = sorted({*range(1, whole_rows + 1), *({2} if whole_rows < 2 else ()), *range(epoch, epoch + 3)})
        assert epochs(path) == expected, size
        lost = epoch - len([each for each in expected if each <= epoch])
        assert [f"lacks {lost} of the rows of {epoch} epochs" in line for line in told] == [True] * bool(lost), size
        again: list[str] = []
        resumed(path, again, epoch + 2, known=[2]).append([])
        assert epochs(path) == expected
        assert len(again) == bool(lost)
        assert [other.name for other in path.parent.iterdir()] == [path.name]


FOREIGN: dict[str, Callable[[bytes], bytes]] = {
    "other header": lambda whole: b"a,b,c\n" + whole.split(b"\n", 1)[1],
    "no header": lambda whole: whole.split(b"\n", 1)[1],
    "a mark of order": lambda whole: b"\xef\xbb\xbf" + whole,
    "another text": lambda whole: b"these are my notes\n" * 3,
    "binary": lambda whole: bytes(range(256)) * 40,
    "zeros": lambda whole: b"\0" * 10_000 + b"\n",
    "a cell without end": lambda whole: whole.split(b"\n", 1)[0] + b"\n1," + b"9" * (3 * 2**20) + b",,,\n",
}
DAMAGED: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "bytes that are no text": lambda lines: [*lines[:3], b"\xff\xfe\x00,,,,\n", *lines[3:]],
    "a huge cell": lambda lines: [*lines[:3], b"3," + b"x" * 200_000 + b",,,\n", *lines[3:]],
    "a line without end": lambda lines: [*lines[:3], b"x" * (3 * 2**20) + b"\n", *lines[3:]],
    "a quote": lambda lines: [*lines[:3], b'"\n', *lines[3:]],
    "a formula": lambda lines: [*lines[:3], b"3,=cmd(),0,0,0\n", *lines[3:]],
    "a row twice": lambda lines: [*lines[:4], lines[3], *lines[4:]],
    "a cut row in the middle": lambda lines: [*lines[:4], lines[4][:7] + b"\n", *lines[4:]],
    "an empty line": lambda lines: [*lines[:4], b"\n", *lines[4:]],
    "a row of an epoch to come": lambda lines: [*lines, b"99,990,0.1,,1\n"],
    "notes at the end": lambda lines: [*lines, b"good run!\n"],
    "notes at the end of the last line": lambda lines: [*lines, b"(a good run)"],
}


@pytest.mark.parametrize("case", FOREIGN)
def test_a_foreign_file_is_set_aside(path: Path, told: list[str], case: str) -> None:
    content = FOREIGN[case](write(path, 5))
    path.write_bytes(content)
    table = resumed(path, told, 5)
    table.append(rows(6, first=6))
    assert epochs(path) == [5, 6]
    assert (path.parent / "metrics.set-aside-1.csv").read_bytes() == content
    assert len(told) == 1
    assert "metrics.set-aside-1.csv" in told[0]
    assert "lacks 4 of the rows of 5 epochs" in told[0]


@pytest.mark.parametrize("case", DAMAGED)
def test_foreign_lines_are_set_aside_and_whole_rows_stay(path: Path, told: list[str], case: str) -> None:
    content = b"".join(DAMAGED[case](write(path, 5).splitlines(keepends=True)))
    path.write_bytes(content)
    table = resumed(path, told, 5)
    table.append([])
    assert epochs(path) == [1, 2, 3, 4, 5]
    table.append(rows(6, first=6))
    assert epochs(path) == [1, 2, 3, 4, 5, 6]
    assert (path.parent / "metrics.set-aside-1.csv").read_bytes() == content
    assert [line.count("\n") for line in told] == [0]
    assert "kept as metrics.set-aside-1.csv" in told[0]


def test_every_foreign_file_is_kept(path: Path, told: list[str]) -> None:
    for n in (1, 2, 3):
        path.write_text(f"notes {n}\n")
        resumed(path, told, 1).append([])
    assert [(path.parent / f"metrics.set-aside-{n}.csv").read_text() for n in (1, 2, 3)] == [
        "notes 1\n", "notes 2\n", "notes 3\n",
    ]  # fmt: skip


def test_other_ends_of_lines_are_read(path: Path, told: list[str]) -> None:
    path.write_bytes(write(path, 3).replace(b"\n", b"\r\n"))
    resumed(path, told, 3).append(rows(4, first=4))
    assert epochs(path) == [1, 2, 3, 4]
    assert told == []


def test_other_numbers_are_told_of(path: Path, told: list[str]) -> None:
    path.write_bytes(write(path, 3).replace(b"0.25", b"0.75"))
    table = resumed(path, told, 3)
    table.append(rows(4, first=4))
    table.append(rows(5, first=5))
    assert epochs(path) == [1, 2, 3, 4, 5]
    assert len(told) == 1
    assert "has other numbers than the run had come to" in told[0]


def test_measured_times_are_no_part_of_the_hash(path: Path, told: list[str]) -> None:
    path.write_bytes(write(path, 3).replace(b"0.333333\n", b"5\n"))
    resumed(path, told, 3).append([])
    assert told == []


@pytest.mark.parametrize("kind", ["link", "directory", "pipe", "nowhere"])
def test_what_is_no_file_is_refused_and_not_touched(path: Path, told: list[str], kind: str) -> None:
    target = path.parent / "precious"
    target.write_text("mine")
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(target if kind == "link" else path.parent / "absent")
    with pytest.raises(OutputError, match="where a plain file of yours belongs"):
        resumed(path, told, 1).append(rows(2, first=2))
    assert target.read_text() == "mine"
    assert not (path.parent / "absent").exists()
    assert told == []


def test_a_file_that_is_removed_or_cut_while_it_grows(path: Path, told: list[str]) -> None:
    table = EpochTable(path, told.append)
    table.append(rows(2))
    table.sync()
    path.unlink()
    table.append([row(3)])
    assert epochs(path) == [3]
    assert "lacks 2 of the rows of 2 epochs" in told[0]
    path.write_bytes(path.read_bytes()[:-3])
    table.append([row(4)])
    assert epochs(path) == [3, 4]
    assert len(told) == 1


@pytest.mark.parametrize("call", ["write", "fsync", "open"])
def test_rows_that_cannot_be_written_come_the_next_time(
    path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """A disk that takes a part of the rows and is full then: no row twice, none half, none lost."""
    from ddp_mlp.run.files import epoch_table

    write(path, 2)
    table = resumed(path, told, 2)
    table.append([])
    opened = epoch_table._open

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def grow(new: list[Cells]) -> None:
        table.append(new)
        table.sync()

    class Full:
        def __init__(self, file: Any) -> None:
            self.file = file

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *error: Any) -> None:
            self.file.close()

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

        def write(self, content: bytes) -> None:
            self.file.write(content[: len(content) * 2 // 3])
            self.file.flush()
            full()

    with monkeypatch.context() as broken:
        if call == "write":
            broken.setattr(epoch_table, "_open", lambda path: Full(opened(path)))
        else:
            broken.setattr(*((os, "fsync") if call == "fsync" else (epoch_table, "_open")), full)
        for epoch in (3, 4, 5):
            with pytest.raises(StorageError, match=r"metrics\.csv: cannot write: No space left on device"):
                grow([row(epoch)])
        assert table.waiting(4) == rows(4, first=3), "a checkpoint carries them"
    grow([row(6)])
    assert epochs(path) == [1, 2, 3, 4, 5, 6]
    assert table.waiting(6) == []
    assert told == []


def test_few_rows_wait_for_the_disk(path: Path, told: list[str]) -> None:
    table, most = EpochTable(path, told.append), 0
    for epoch in range(1, 2000):
        table.append([row(epoch)])
        most = max(most, len(table.waiting(epoch)))
    assert most <= 257


def test_hostile_tables_take_no_memory(path: Path, told: list[str]) -> None:
    import tracemalloc

    with path.open("wb") as file:
        file.truncate(10**12)  # without an end of line
    tracemalloc.start()
    try:
        resumed(path, told, 3).append([])
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 8 * 2**20
    assert epochs(path) == [3]
