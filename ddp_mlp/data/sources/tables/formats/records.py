"""Records in JSON: one array of them, or one a line."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from ddp_mlp.data.sources.packed import open_unpacked
from ddp_mlp.data.sources.tables.formats.cell_rows import table_of_rows, text_of
from ddp_mlp.data.sources.tables.formats.columnar import BATCH_ROWS, arrow_errors, rows_in_words, table_of_batches
from ddp_mlp.data.sources.tables.text.decoding import plain_errors
from ddp_mlp.data.sources.tables.words import listed, shown
from ddp_mlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ddp_mlp.data.sources.tables.table import Table

#: Of a JSON text, which is held as a whole.
_MOST_JSON_BYTES = 2**30
#: Of one whose values have no single type, which Python reads.
_MOST_MIXED_BYTES = 2**26


def read_json(path: Path) -> Table:
    """Open records in JSON: one array of them, or one a line.

    Raises
    ------
    DataError
        If it is none, too large, or has records within records.
    """
    import pyarrow as pa

    text = _json_lines(path)
    try:
        found = _records(text)
    except pa.ArrowInvalid as error:
        if "changed from" in str(error) and len(text) <= _MOST_MIXED_BYTES:
            return _mixed_records(path, text)
        with arrow_errors(path):
            raise
    return table_of_batches(path, "JSON", found.schema, lambda: iter(pa.Table.to_batches(found, BATCH_ROWS)))


def _records(text: bytes) -> Any:
    """Return records as Arrow reads them, but times as they are written: it takes their zones off without a word."""
    import pyarrow as pa
    from pyarrow import json as arrow_json

    how = arrow_json.ReadOptions(block_size=max(2**20, len(text)))
    found = arrow_json.read_json(io.BytesIO(text), how)
    times = [pa.field(field.name, pa.string()) for field in found.schema if pa.types.is_timestamp(field.type)]
    if not times:
        return found
    as_written = arrow_json.ParseOptions(explicit_schema=pa.schema(times))
    return arrow_json.read_json(io.BytesIO(text), how, as_written).select(found.column_names)


def _mixed_records(path: Path, text: bytes) -> Table:
    """Return records of which a value is a number in one and text in another: all become text, as in CSV."""
    try:
        records = [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON lines ({error})") from error
    if not all(isinstance(record, dict) for record in records):
        raise DataError(f"{path}: not records only; each line holds one")
    names = list(dict.fromkeys(name for record in records for name in record))
    nested = [n for n in names if any(isinstance(record.get(n), dict | list) for record in records)]
    if nested or len(names) < 2:
        raise DataError(f"{path}: columns {listed(nested or names, 8)} are no cells of a table of two or more columns")
    rows = [[text_of(record.get(name)) for name in names] for record in records]
    return table_of_rows(path, f"JSON {path.name}", names, lambda: rows, rows_in_words, where="the records")


def _json_lines(path: Path) -> bytes:
    with plain_errors(path), open_unpacked(path) as file:
        text = file.read(_MOST_JSON_BYTES + 1)
    if len(text) > _MOST_JSON_BYTES:
        raise DataError(f"{path}: more than {_MOST_JSON_BYTES / 2**30:.3g} GiB of JSON; save it as Parquet or CSV")
    text = text.removeprefix(b"\xef\xbb\xbf").strip()
    if not text.startswith(b"["):
        return text
    try:
        records = json.loads(text, object_pairs_hook=_record)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON ({error})") from error
    if not records or not all(isinstance(record, dict) for record in records):
        raise DataError(f'{path}: an array, but not of records; [{{"a": 1, ...}}, ...] is one')
    return "\n".join(json.dumps(record) for record in records).encode()


def _record(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return one record, of which each name stands for one value."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"a record names {next(shown(name) for name in names if names.count(name) > 1)} twice")
    return found
