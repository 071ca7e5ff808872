"""Tables that Arrow keeps in columns: Parquet and Feather, and what its types mean as cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ddp_mlp.data.sources.packed import READ_ERRORS, is_packed
from ddp_mlp.data.sources.tables.table import Table, column_names
from ddp_mlp.data.sources.tables.words import listed, shown
from ddp_mlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from pathlib import Path

BATCH_ROWS = 2**16
_PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}


@dataclass(frozen=True)
class _Columnar:
    """A file whose columns have types of their own."""

    path: Path
    open: Callable[[], Any]

    def blocks(self, positions: Sequence[int], numbers: Collection[int] = ()) -> Iterator[list[Any]]:
        with arrow_errors(self.path):
            for batch in self.open():
                # Offsets and bytes of a stranger are believed until they are looked at, and lead out of memory.
                batch.validate(full=True)
                if batch.num_rows:
                    yield [as_cells(batch.column(i), as_numbers=i in numbers) for i in positions]


def as_cells(column: Any, *, as_numbers: bool) -> Any:
    """Return a column as numbers where that is asked for and the same, else as text."""
    import pyarrow as pa
    from pyarrow import compute as pc

    # A float32 stands for the shortest number that it is written as.
    if as_numbers and (pa.types.is_integer(column.type) or pa.types.is_float64(column.type)):
        return pc.cast(column, pa.float64(), safe=False)
    return as_text(column)


def as_text(column: Any) -> Any:
    """Return a column of any type as strings, each number with as many digits as it needs."""
    import pyarrow as pa
    from pyarrow import compute as pc

    if pa.types.is_dictionary(column.type):
        # Views of texts, which categories of polars are, cannot be taken by number.
        plain = pc.cast(column.dictionary, pa.string()) if pa.types.is_string_view(column.type.value_type) else None
        column = column if plain is None else pa.DictionaryArray.from_arrays(column.indices, plain)
        column = column.dictionary_decode()
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), pa.string())
    if pa.types.is_float16(column.type):
        column = pc.cast(column, pa.float32())
    if pa.types.is_duration(column.type):
        column = _seconds(column)
    if pa.types.is_time(column.type):  # without fractions of seconds, as dates
        column = pc.cast(column, pa.time32("s"), safe=False)
    return pc.cast(column, pa.string())


def _seconds(durations: Any) -> Any:
    """Return durations of any unit as seconds: one program keeps as nanoseconds what another keeps as milliseconds."""
    import pyarrow as pa
    from pyarrow import compute as pc

    numbers = pc.cast(pc.cast(durations, pa.int64()), pa.float64(), safe=False)
    return pc.divide(numbers, _PER_SECOND[durations.type.unit])


def told_of_types(schema: Any) -> tuple[str, ...]:
    """Return a note on columns whose type has a unit, if there are such."""
    import pyarrow as pa

    durations = [field.name for field in schema if pa.types.is_duration(field.type)]
    return (f"durations are numbers of seconds: {listed(durations, 8)}",) if durations else ()


def read_parquet(path: Path) -> Table:
    """Open a Parquet file.

    Raises
    ------
    DataError
        If it is none, or has columns that are no cells.
    """

    def batches() -> Iterator[Any]:
        from pyarrow import parquet

        with parquet.ParquetFile(path) as file:
            yield from file.iter_batches(BATCH_ROWS)

    from pyarrow import parquet

    with arrow_errors(path), parquet.ParquetFile(path) as file:
        schema = file.schema_arrow
    return table_of_batches(path, "Parquet", schema, batches)


def read_feather(path: Path) -> Table:
    """Open a Feather or Arrow file.

    Raises
    ------
    DataError
        If it is none, or has columns that are no cells.
    """

    def batches() -> Iterator[Any]:
        import pyarrow as pa

        with pa.OSFile(str(path)) as file, pa.ipc.open_file(file) as reader:
            for i in range(reader.num_record_batches):
                yield reader.get_batch(i)

    import pyarrow as pa

    with arrow_errors(path), pa.OSFile(str(path)) as file, pa.ipc.open_file(file) as reader:
        schema = reader.schema
    return table_of_batches(path, "Feather", schema, batches)


def table_of_batches(path: Path, kind: str, schema: Any, batches: Callable[[], Any]) -> Table:
    """Return batches of Arrow, which a function gives anew each time, as a table.

    Raises
    ------
    DataError
        If columns are called alike, or are no cells, or there is one alone.
    """
    import pyarrow as pa

    with arrow_errors(path):
        found = schema.names
    names, unnamed = column_names(path, found, "the file")
    if nested := [f.name for f in schema if pa.types.is_nested(f.type) or pa.types.is_binary(f.type)]:
        raise DataError(
            f"{path}: columns {listed(nested, 8)} hold lists, records or bytes, which are no cells of a table; write"
            " them as columns of their own, or leave them out of the file"
        )
    if len(names) < 2:
        raise DataError(f"{path}: {len(names)} column {shown(names[0]) if names else ''}; two or more are needed")
    return Table(
        path,
        f"{kind} {path.name}",
        names,
        unnamed,
        _Columnar(path, batches).blocks,
        rows_in_words,
        told_of_types(schema),
    )


def rows_in_words(rows: Sequence[int]) -> list[str]:
    """Return where rows are, in a format that has no lines."""
    return [f"row {row + 1}" for row in rows]


class arrow_errors:  # noqa: N801 - used as a function is
    """Say in one line what Arrow raised about a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        """Return at once."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Turn Arrow's errors into ours."""
        import pyarrow as pa

        if isinstance(error, (pa.ArrowException, UnicodeDecodeError, *READ_ERRORS)) and not isinstance(
            error, DataError
        ):
            reason = " ".join(str(error).split())[:200]
            raise DataError(
                f"{self._path}: cannot be read ({reason}); the file is damaged or of another kind"
            ) from error


def require_unpacked(path: Path) -> None:
    """Refuse a packed file of a format that packs its columns itself.

    Raises
    ------
    DataError
        If it is packed.
    """
    if is_packed(path):
        raise DataError(f"{path}: packed; unpack it first, the format packs its columns itself")
