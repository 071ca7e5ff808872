"""What a file holds, listed without following a link."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ddp_mlp.data.guard import ALLOWED_FILTERS, link_kind, load_h5py, plain_errors
from ddp_mlp.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MAX_ENTRIES = 200
_MAX_DEPTH = 12


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


def list_tree(group: Any, file_path: Path) -> list[Entry]:
    """List what is below `group`, depth first, at most 200 objects.

    Raises
    ------
    DataError
        If the file is damaged.
    """
    entries: list[Entry] = []
    with plain_errors(str(file_path)):
        for entry in _walk(group, 0):
            entries.append(entry)
            if len(entries) == _MAX_ENTRIES:
                entries.append(Entry("...", "other"))
                break
    return entries


def _walk(group: Any, depth: int) -> Iterator[Entry]:
    h5py = load_h5py()
    for name in group:
        path = printable(f"{group.name.rstrip('/')}/{name}")
        kind = link_kind(group, name)
        if kind != "hard":
            yield Entry(path, f"{kind} link")
            continue
        node = group[name]
        if isinstance(node, h5py.Dataset):
            yield _array_entry(node, path)
        elif isinstance(node, h5py.Group):
            yield Entry(path, "group")
            # Hard links can form a circle, so the depth is bounded.
            if depth < _MAX_DEPTH:
                yield from _walk(node, depth + 1)
        else:
            yield Entry(path, "other")


def _array_entry(dataset: Any, path: str) -> Entry:
    plist = dataset.id.get_create_plist()
    if plist.get_layout() == load_h5py().h5d.VIRTUAL:
        return Entry(path, "virtual array")
    numbers = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
    shape = dataset.shape
    return Entry(
        path,
        "array in external storage" if plist.get_external_count() else "array",
        shape=shape,
        chunks=dataset.chunks,
        dtype=_dtype_text(dataset.dtype),
        filters=tuple(ALLOWED_FILTERS.get(n, str(n)) for n in numbers),
        declared_bytes=math.prod(shape or (0,)) * dataset.dtype.itemsize,
        stored_bytes=dataset.id.get_storage_size(),
    )


def _dtype_text(dtype: Any) -> str:
    if dtype.names:
        fields = (f"{printable(name)} {dtype.fields[name][0]}" for name in dtype.names)
        return f"fields {', '.join(fields)}"
    return "strings or objects" if dtype.kind == "O" else str(dtype)


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
