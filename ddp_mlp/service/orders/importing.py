"""Options of an import over HTTP: those of ``data import`` that name no file."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from ddp_mlp.config.loading import HDF5_SUFFIXES, TABLE_SUFFIXES
from ddp_mlp.errors import UsageError

_Text = Annotated[str, Meta(max_length=1000)]
_Texts = Annotated[list[_Text], Meta(max_length=1000)]
_PACKED = (".gz", ".zst", ".bz2", ".xz", ".zip")
_OTHERS = (".txt", ".data", ".dat", ".ndjson", ".libsvm", ".svm", ".svmlight", ".xlsm", ".ods")


class ImportRequest(Struct, forbid_unknown_fields=True):
    """The meaning of a table, as far as that is not to be found."""

    name: Annotated[str, Meta(max_length=80)] = ""
    target: _Texts = []
    drop: _Texts = []
    text: _Texts = []
    ordinal: _Texts = []
    date: _Texts = []
    id: _Texts = []
    weights: _Text = ""
    split_by: _Text = ""
    test_fraction: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    stratify: bool = False
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    missing: _Text = ""
    separator: _Text = ""
    decimal: _Text = ""
    header: bool | None = None
    encoding: _Text = ""
    sheet: _Text = ""
    task: _Text = ""


def import_arguments(asked: ImportRequest) -> list[str]:
    """Return options of ``data import``; each value is joined to its option, so none can be taken for another one."""
    found = []
    for name in ("target", "drop", "text", "ordinal", "date", "id"):
        found += [f"--{name}={_plain(value)}" for value in getattr(asked, name)]
    for name in ("weights", "split_by", "missing", "separator", "decimal", "encoding", "sheet", "task"):
        value = getattr(asked, name)
        found += [f"--{name.replace('_', '-')}={_plain(value)}"] if value else []
    found += [f"--test-fraction={asked.test_fraction!r}"] if asked.test_fraction else []
    found += [f"--seed={asked.seed}"] if asked.seed else []
    found += ["--stratify"] if asked.stratify else []
    return found + ([] if asked.header is None else ["--header" if asked.header else "--no-header"])


def _plain(text: str) -> str:
    if "\0" in text:
        raise UsageError("options: a text with a NUL in it")
    return text


def suffix_of(filename: str) -> str:
    """Return the suffix by which the format of a file is known, two where it is packed; ``.csv`` where it has none.

    Examples
    --------
    >>> suffix_of("a.CSV.gz"), suffix_of("../../x.h5"), suffix_of("table"), suffix_of("a.exe")
    ('.csv.gz', '.h5', '.csv', '.csv')
    """
    name = filename.lower()
    packed = next((suffix for suffix in _PACKED if name.endswith(suffix)), "")
    rest = name.removesuffix(packed)
    known = (*HDF5_SUFFIXES, *TABLE_SUFFIXES, *_OTHERS)
    kind = next((suffix for suffix in known if rest.endswith(suffix)), "" if packed == ".zip" else ".csv")
    return kind + packed
