"""TOML in and out: read, override, check, and report every problem at once."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec
import tomli_w

from ddp_mlp.config.checks import check_consistency, check_values, resolve_defaults
from ddp_mlp.config.defaults import EARLIER_DEFAULTS
from ddp_mlp.config.schema import Config, is_table, keys, sections
from ddp_mlp.config.suggestions import suggest_home
from ddp_mlp.config.toml import Table, parse_toml, parse_value
from ddp_mlp.config.values import NONE, advice_for_line, plain
from ddp_mlp.errors import UsageError, literal, shell_word
from ddp_mlp.small_files import read_small

#: Holds class weights for more than ten thousand classes.
MOST_BYTES = 2**19

#: Files of data by their names.
HDF5_SUFFIXES = (".h5", ".hdf5", ".he5", ".hdf", ".h5ad", ".nc")
TABLE_SUFFIXES = (
    ".csv", ".tsv", ".tab", ".parquet", ".feather", ".xlsx", ".xls", ".json", ".jsonl", ".npz", ".npy",
    ".arff", ".mat",
)  # fmt: skip
#: Keys that name files, by section.
_PATH_KEYS = {"data": ("train", "valid"), "model": ("start",)}

#: msgspec looks at a type when it first meets it, and ends the process where two threads do so at once.
_CONVERTING = Lock()


def load_config(
    path: Path,
    overrides: Iterable[str] = (),
    environment: Mapping[str, str] = os.environ,
    *,
    with_earlier_defaults: bool = False,
    beneath: Table | None = None,
) -> Config:
    """Read a configuration file and apply the environment and the command line to it.

    Parameters
    ----------
    path : Path
        TOML file. Paths in it are relative to its directory, those given elsewhere to
        the current one.
    overrides : iterable of str
        ``SECTION.KEY=VALUE``, the value in TOML or a bare word.
    environment : mapping
        ``DDP_MLP_SECTION_KEY=VALUE``; weaker than `overrides`, stronger than the file.
    with_earlier_defaults : bool
        Whether keys that nobody has set have the values that they had in earlier versions, where these go with the
        keys that are set.
    beneath : dict, optional
        Keys that count where nobody has set them.

    Raises
    ------
    MissingInputError
        If the file is not there, or no plain file.
    UsageError
        If anything in it is unknown or impossible; the message lists the problems.
    """
    problems: list[str] = []
    raw: Table = {section: dict(table) for section, table in (beneath or {}).items()}
    for _, table in layers(path, overrides, environment, problems):
        _merge(raw, table)
    if with_earlier_defaults and not problems:
        with suppress(UsageError):  # keys that belong to an optimiser that was not the default
            return _build(_earlier(raw), [], str(path))
    return _build(raw, problems, str(path))


def _earlier(raw: Table) -> Table:
    """Return the keys that are set above the defaults of earlier versions."""
    earlier: Table = {section: dict(table) for section, table in EARLIER_DEFAULTS.items()}
    _merge(earlier, plain(raw))
    return earlier


def layers(
    path: Path, overrides: Iterable[str], environment: Mapping[str, str], problems: list[str]
) -> list[tuple[str, Table]]:
    """Return the keys that each place has set, the weakest place first: file, environment, command line.

    Paths are absolute: those of a file are beside the name by which it was given, be that a link.

    Parameters
    ----------
    problems : list of str
        Gets what is wrong with them.
    """
    places = [
        ("file", _read_toml(path), path.absolute().parent),
        ("environment", _from_environment(environment), Path()),
        ("--set", _from_overrides(overrides, problems), Path()),
    ]
    for _, table, base in places:
        _make_absolute(table, base, problems)
    return [(name, table) for name, table, _ in places]


def from_builtins(raw: Table, origin: str, *, with_earlier_defaults: bool = False) -> Config:
    """Rebuild a configuration that was stored as plain tables, such as in a checkpoint.

    Parameters
    ----------
    raw : dict
        Keys that are set; they are left as they are.
    origin : str
        Where they stand, for messages.
    with_earlier_defaults : bool
        As of `load_config`.
    """
    if with_earlier_defaults:
        with suppress(UsageError):
            return _build(_earlier(raw), [], origin)
    return _build(raw, [], origin)


def as_toml(config: Config) -> str:
    """Return the resolved configuration as the text of a TOML file."""
    tables = msgspec.to_builtins(config)
    present = {name: {k: v for k, v in table.items() if v is not None} for name, table in tables.items()}
    return tomli_w.dumps(present)


def _build(raw: Table, problems: list[str], origin: str) -> Config:
    raw = plain(raw)
    problems += check_values(raw)
    if not problems:
        raw = resolve_defaults(raw)
        problems += check_consistency(raw)
    if problems:
        count = "" if len(problems) == 1 else f"{len(problems)} problems: "
        raise UsageError(f"{origin}: {count}{'; '.join(problems)}")
    with _CONVERTING:
        return msgspec.convert(raw, Config)


def _read_toml(path: Path) -> Table:
    _refuse_data(path)
    content = read_small(path, MOST_BYTES, "configuration file")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not a text file in UTF-8, so not a TOML configuration") from None
    try:
        return parse_toml(text)
    except ValueError as error:
        raise UsageError(f"{path}: not valid TOML: {error}{_advice(text, str(error))}") from None


def _advice(text: str, complaint: str) -> str:
    """Return how the line that a parser complains of is written, or nothing."""
    line = re.search(r"line (\d+)", complaint)
    advice = advice_for_line(text, int(line[1])) if line else ""
    return f"; {advice}" if advice else ""


def _refuse_data(path: Path) -> None:
    """Raise the advice for a run directory or a file of data that is given in place of a configuration."""
    if (path / "config.toml").is_file():
        raise UsageError(
            f"{path}: this is a run directory, not a configuration; its own is {path}/config.toml, "
            f"and --resume --out {shell_word(path)} goes on with it"
        )
    if path.suffix.lower() not in (*HDF5_SUFFIXES, *TABLE_SUFFIXES) or not path.is_file():
        return
    kind, first, data = "an HDF5 file", "", shell_word(path)
    if path.suffix.lower() not in HDF5_SUFFIXES:
        kind, data = "a table", shell_word(path.with_suffix(".h5").name)
        first = f"ddp-mlp data import {shell_word(path)} --target COLUMN --out {data}, then "
    raise UsageError(
        f"{path}: this is {kind}, not a configuration; write one that fits it: {first}ddp-mlp config init {data} "
        f"--out {shell_word(path.with_suffix('.toml').name)}"
    )


def _from_environment(environment: Mapping[str, str]) -> Table:
    table: Table = {}
    known = sections()
    for name, text in sorted(environment.items()):
        section, _, key = name.removeprefix("DDP_MLP_").lower().partition("_")
        if name.startswith("DDP_MLP_") and section in known and key:
            _set(table, section, key, parse_value(text), separator="_")
    return table


def _set(table: Table, section: str, key: str, value: Any, *, separator: str) -> None:
    """Set a key of a section, or of a table in it, such as ``noise`` of ``[data.augment]``."""
    inner, found, rest = key.partition(separator)
    keys_of_section = keys(sections()[section]) if section in sections() else {}
    if found and key not in keys_of_section and is_table(keys_of_section.get(inner)):
        within = table.setdefault(section, {})
        if not isinstance(within.get(inner), dict):
            within[inner] = {}  # what was assigned to the whole table is overridden
        within[inner][rest] = value
    else:
        table.setdefault(section, {})[key] = value


def _from_overrides(overrides: Iterable[str], problems: list[str]) -> Table:
    table: Table = {}
    for text in overrides:
        name, equals, value = text.partition("=")
        section, dot, key = name.strip().partition(".")
        if not (equals and dot and key):
            problems.append(f"--set {literal(text)} is not of the form SECTION.KEY=VALUE{suggest_home(name)}")
            continue
        _set(table, section, key, parse_value(value.strip()), separator=".")
    return table


def _make_absolute(raw: Table, base: Path, problems: list[str]) -> None:
    for section, names in _PATH_KEYS.items():
        table = raw.get(section)
        if isinstance(table, dict):
            for key in names:
                _make_key_absolute(section, table, key, base, problems)


def _make_key_absolute(section: str, table: Table, key: str, base: Path, problems: list[str]) -> None:
    value = table.get(key)
    if not isinstance(value, str) or not value or (value == NONE and key != "train"):
        return
    try:
        table[key] = str(base.absolute() / Path(value).expanduser())
    except RuntimeError:  # of `expanduser`
        problems.append(f"[{section}] {key} = {literal(value)}: whose home that is is not known; write it out")
    except OSError as error:
        problems.append(f"[{section}] {key} = {literal(value)}: relative to a directory that is gone ({error})")


def _merge(raw: Table, other: Table) -> None:
    """Overwrite values of `raw` by those of `other`, tables in tables one by one."""
    for key, value in other.items():
        if not isinstance(value, dict):
            raw[key] = value
        elif isinstance(raw.setdefault(key, {}), dict):
            _merge(raw[key], value)
