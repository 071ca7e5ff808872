"""The contents of a file, listed without following a link."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from ddp_mlp.data.hdf5.arrays import Found
from ddp_mlp.data.hdf5.chunks import ALLOWED_FILTERS
from ddp_mlp.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ddp_mlp.data.hdf5.nodes import Group

_MAX_ENTRIES = 200
_MAX_DEPTH = 12
#: Names of one group; of more, any so many are shown.
_MAX_NAMES = 10_000


@dataclass(frozen=True)
class Entry:
    """One object of a file.

    Attributes
    ----------
    path : str
        Absolute path in the file, control characters escaped.
    kind : str
        "group", "array", "soft link", "external link", "virtual array" or "other".
    shape, chunks : tuple of int or None
        Of an array.
    dtype : str
        Of an array; the fields where it is compound.
    filters : tuple of str
        Names, or numbers where the name is not known.
    declared_bytes, stored_bytes : int
        What the shape asks for and what lies in the file.
    """

    path: str
    kind: str
    shape: tuple[int, ...] | None = None
    chunks: tuple[int, ...] | None = None
    dtype: str = ""
    filters: tuple[str, ...] = ()
    declared_bytes: int = 0
    stored_bytes: int = 0


def list_tree(group: Group) -> list[Entry]:
    """List the objects below `group`, depth first, at most 200 of them.

    Raises
    ------
    DataError
        If the file is damaged.
    """
    entries = list(islice(_walk(group, 0), _MAX_ENTRIES + 1))
    return entries if len(entries) <= _MAX_ENTRIES else [*entries[:-1], Entry("...", "other")]


def _walk(group: Group, depth: int) -> Iterator[Entry]:
    for name in group.names(_MAX_NAMES):
        path = printable(f"{group.name.rstrip('/')}/{name}")
        kind = group.link_kind(name)
        if kind != "hard":
            yield Entry(path, f"{kind} link")
            continue
        node = group.child(name)
        if isinstance(node, Found):
            yield _array_entry(node, path)
        elif node is None:
            yield Entry(path, "other")
        else:
            yield Entry(path, "group")
            # Hard links can form a circle, so the depth is bounded.
            if depth < _MAX_DEPTH:
                yield from _walk(node, depth + 1)


def _array_entry(found: Found, path: str) -> Entry:
    if found.storage == "virtual array":
        return Entry(path, "virtual array")
    return Entry(
        path,
        found.storage,
        shape=found.shape,
        chunks=found.chunks,
        dtype=found.type_name,
        filters=tuple(ALLOWED_FILTERS.get(n, str(n)) for n in found.filters),
        declared_bytes=found.declared_bytes,
        stored_bytes=found.stored_bytes,
    )


def tree_lines(entries: list[Entry], *, storage: bool = False) -> list[str]:
    """Return one line per array or link: path, shape, dtype, and how it is stored if asked."""
    shown = [e for e in entries if e.kind != "group"]
    width = max((len(e.path) for e in shown), default=0)
    lines = [f"  {e.path:<{width}}  {_shape_text(e)}" for e in shown] or ["  (no arrays)"]
    if storage:
        lines = [line + _storage_text(e) for line, e in zip(lines, shown, strict=False)] or lines
    return lines


def _shape_text(entry: Entry) -> str:
    if entry.kind != "array":
        return "and more" if entry.path == "..." else entry.kind
    return f"{'no shape' if entry.shape is None else entry.shape} {entry.dtype}"


def _storage_text(entry: Entry) -> str:
    if entry.kind != "array":
        return ""
    layout = f"chunks {entry.chunks}" if entry.chunks else "contiguous"
    filters = f" {'+'.join(entry.filters)}" if entry.filters else ""
    return f", {layout}{filters}, {size_text(entry.stored_bytes)} stored of {size_text(entry.declared_bytes)}"


def size_text(n_bytes: int) -> str:
    """Return a number of bytes in KiB or MiB."""
    return f"{n_bytes / 2**20:.2f} MiB" if n_bytes >= 2**20 else f"{n_bytes / 2**10:.1f} KiB"
