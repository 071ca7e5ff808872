"""One reading of a table: what comes far down means the same as what comes first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ddp_mlp.data import formats
from ddp_mlp.data.importing import open_source
from ddp_mlp.data.sources.options import ImportOptions
from ddp_mlp.data.sources.tables import kept
from ddp_mlp.data.sources.tables.cells import begin_with_zero
from ddp_mlp.data.sources.tables.text import delimited
from ddp_mlp.errors import DataError
from tests.tiers import thorough

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

N_ROWS, FAR = 200, 150
#: Cells that are read in another way than the plain numbers around them, if they are read as numbers at all.
ODD_CELLS = [
    "", "  ", "NA", " na ", "N/a", "nAn", "-nan", "+5", " 5.5 ", '"5.5"', '"1,5"', "5 %", "007", "-007", "+0.5",
    "1e400", "12345678901234567890", "inf", "-Infinity", "text", "5more", "true", "2024-01-31", "\u00a05", "1_0",
    "0x10", "1,2", "?", "-", '" 5"', "'5'", "1.", ".5", "1e5", "9007199254740993",
]  # fmt: skip


def outcome(path: Path, **options: Any) -> tuple[object, ...]:
    """Return all that an import makes of a file."""
    try:
        source = open_source([path], ImportOptions(targets=("y",), **options))
        blocks = [rows for _, rows in source.blocks()]
    except DataError as error:
        return (str(error),)
    arrays = [np.concatenate([getattr(rows, name) for rows in blocks]) for name in ("features", "targets")]
    return source.schema, source.sizes, source.notes, *(array.tobytes() for array in arrays)


def all_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every cell read as text, in one block."""
    read = formats.read_delimited

    def reader(path: Path, **how: Any) -> Any:
        table = read(path, **how)

        def blocks(positions: Sequence[int], _numbers: Collection[int] = ()) -> Iterator[list[Any]]:
            return table.blocks(positions)

        return replace(table, blocks=blocks)

    monkeypatch.setattr(formats, "read_delimited", reader)


@pytest.mark.parametrize("fraction", [".5", thorough("")])
def test_an_odd_cell_means_the_same_wherever_it_is(
    fraction: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [f"{i % 7 + 2}{fraction},{i % 3}{fraction},{i % 5 + 1}.25" for i in range(N_ROWS)]
    for number, cell in enumerate(ODD_CELLS):
        path = tmp_path / f"{number}.csv"
        changed = [*lines[:FAR], f"{cell},{lines[FAR].split(',', 1)[1]}", *lines[FAR + 1 :]]
        path.write_text("a,b,y\n" + "\n".join(changed) + "\n")
        with monkeypatch.context() as patched:
            all_as_text(patched)
            expected = outcome(path)
        with monkeypatch.context() as patched:
            patched.setattr(delimited, "_BLOCK_BYTES", 512)
            patched.setattr(delimited, "_FEWEST_ROWS", 1)
            assert outcome(path, scratch=tmp_path) == expected, cell


def test_an_odd_target_far_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,y\n" + "".join(f"{i}.5,{i}.25\n" for i in range(N_ROWS)) + "1.5,+7\n2.5,\n3.5,8.5\n")
    monkeypatch.setattr(delimited, "_BLOCK_BYTES", 512)
    monkeypatch.setattr(delimited, "_FEWEST_ROWS", 1)
    source = open_source([path], ImportOptions(targets=("y",)))
    targets = np.concatenate([rows.targets for _, rows in source.blocks()])[:, 0]
    assert source.sizes == {"train": N_ROWS + 2}
    assert targets.tolist() == [*(i + 0.25 for i in range(N_ROWS)), 7.0, 8.5]


def test_cells_are_kept_where_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text is parsed once then, and nothing of it is left."""
    path = tmp_path / "t.csv"
    path.write_text("a,c,y\n" + "".join(f"{i}.5,{'red' if i % 2 else 'green'},{i % 3}\n" for i in range(N_ROWS)))
    monkeypatch.setattr(delimited, "_BLOCK_BYTES", 512)
    monkeypatch.setattr(delimited, "_FEWEST_ROWS", 1)
    parsed: list[Sequence[int]] = []
    read = delimited._Delimited.blocks

    def counted(self: Any, positions: Sequence[int], numbers: Collection[int] = ()) -> Iterator[list[Any]]:
        parsed.append(positions)
        yield from read(self, positions, numbers)

    monkeypatch.setattr(delimited._Delimited, "blocks", counted)
    expected = outcome(path)
    n_without = len(parsed)
    parsed.clear()
    assert outcome(path, scratch=tmp_path) == expected
    assert len(parsed) == 2 < n_without  # the first block alone, and all of it
    monkeypatch.setattr(kept, "_TIMES_ITS_SIZE", 2**60)
    parsed.clear()
    assert outcome(path, scratch=tmp_path) == expected
    assert len(parsed) == n_without
    assert [file.name for file in tmp_path.iterdir()] == ["t.csv"]


def test_a_full_disk_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,y\n" + "".join(f"{i}.5,{i}.25\n" for i in range(N_ROWS)))
    monkeypatch.setattr(delimited, "_BLOCK_BYTES", 512)
    monkeypatch.setattr(delimited, "_FEWEST_ROWS", 1)
    expected = outcome(path)
    write, n_blocks = kept._written, 0

    def full(file: Any, block: list[Any]) -> None:
        nonlocal n_blocks
        n_blocks += 1
        if n_blocks == 3:
            raise OSError(28, "No space left on device")
        write(file, block)

    monkeypatch.setattr(kept, "_written", full)
    assert outcome(path, scratch=tmp_path) == expected
    assert n_blocks == 3


def test_fractions_that_come_late_are_no_codes(tmp_path: Path) -> None:
    """Codes are whole throughout, wherever a block ends."""
    path = tmp_path / "t.csv"
    path.write_text("a,y\n" + "007,1.5\n12345678901234567,2.5\n" + "0.5,3.5\n" * 3)
    source = open_source([path], ImportOptions(targets=("y",)))
    assert not any("begin with 0" in note for note in source.notes)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [(["007"], True), (["1", "-05"], True), (["+00"], True), ([" 07"], False), (["0", "-0", "10", ""], False)],
)
def test_numbers_that_begin_with_zero(cells: list[str], expected: bool) -> None:
    import pyarrow as pa

    assert begin_with_zero(pa.array(cells, pa.string())) == expected
    assert begin_with_zero(pa.array(["01", *cells, "02"], pa.string()).slice(1, len(cells))) == expected
