"""Columns of Arrow's types mean the same whatever unit they are kept in."""

from __future__ import annotations

from datetime import time, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from ddp_mlp.data.importing import open_source
from ddp_mlp.data.sources.options import ImportOptions
from ddp_mlp.data.sources.tables.formats.frame import read_frame
from ddp_mlp.data.sources.tables.reading import source_of_table
from ddp_mlp.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from ddp_mlp.data.schema import Schema
    from ddp_mlp.data.sources.source import Source

TIMES = [time(5 * i % 24, i % 60, i) for i in range(40)]
LENGTHS = [timedelta(milliseconds=1500 * i) if i != 3 else None for i in range(40)]


def table(column: Any) -> pa.Table:
    return pa.table({"a": column, "y": np.linspace(0.5, 9, len(column))})


def features(source: Source) -> np.ndarray:
    return np.concatenate([rows.features for _, rows in source.blocks()])


def read(folder: Path, column: Any, like: Schema | None = None) -> Source:
    parquet.write_table(table(column), folder / "t.parquet")
    return open_source([folder / "t.parquet"], ImportOptions(targets=("y",), like=like))


def test_durations_are_seconds_in_every_unit(tmp_path: Path) -> None:
    expected = np.array([np.nan if length is None else length.total_seconds() for length in LENGTHS])
    first = read(tmp_path, pa.array(LENGTHS, pa.duration("ms")))
    assert "durations are numbers of seconds: a" in first.notes
    for unit in ("ms", "us", "ns"):
        column = pa.array(LENGTHS, pa.duration(unit))
        np.testing.assert_array_equal(features(read(tmp_path, column, first.schema))[:, 0], expected)
        frame = source_of_table(read_frame(table(column), "X", {}), ImportOptions(like=first.schema))
        np.testing.assert_array_equal(features(frame)[:, 0], expected)


@pytest.mark.parametrize("kind", [pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")])
def test_times_of_the_day_are_such_in_every_unit(tmp_path: Path, kind: Any) -> None:
    seconds = pa.array(TIMES, pa.time32("s"))
    expected = read(tmp_path, seconds)
    assert expected.schema.feature_names == ("a.clock_sin", "a.clock_cos")
    feather.write_feather(table(pa.array(TIMES, kind)), tmp_path / "t.feather")
    found = open_source([tmp_path / "t.feather"], ImportOptions(targets=("y",)))
    assert found.schema == expected.schema
    np.testing.assert_array_equal(features(found), features(expected))


@pytest.mark.parametrize("zone", ["", "Z", "+02:00"])
def test_times_in_json_are_what_they_are_in_csv(tmp_path: Path, zone: str) -> None:
    """Arrow takes an offset off a time of JSON, and the zone with it."""
    times = [f"2020-01-{day:02}T10:00:00{zone}" for day in (1, 2, 1, 2)]
    lines = [f'{{"n": {i}, "t": "{time}", "y": {i}.5}}' for i, time in enumerate(times)]
    (tmp_path / "t.json").write_text("\n".join(lines))
    (tmp_path / "t.csv").write_text("n,t,y\n" + "".join(f"{i},{time},{i}.5\n" for i, time in enumerate(times)))
    found, expected = (open_source([tmp_path / name], ImportOptions(targets=("y",))) for name in ("t.json", "t.csv"))
    assert found.schema == expected.schema
    np.testing.assert_array_equal(features(found), features(expected))


@pytest.mark.parametrize("text", ['[{"a": 1, "a": 2, "y": 1.5}, {"a": 3, "y": 2.5}]', '{"a": 1, "a": 2, "y": 1.5}'])
def test_a_name_twice_in_a_record_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(DataError, match="twice"):
        open_source([tmp_path / "t.json"], ImportOptions(targets=("y",)))
