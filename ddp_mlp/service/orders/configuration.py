"""Configurations of requests: checked in full, and held to the files of the service."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from ddp_mlp.config import Config, as_toml, from_builtins
from ddp_mlp.config.checks import check_consistency, check_values, resolve_defaults
from ddp_mlp.config.loading import MOST_BYTES
from ddp_mlp.config.toml import Table, parse_toml
from ddp_mlp.config.values import NONE, plain
from ddp_mlp.errors import UsageError, literal
from ddp_mlp.service.security.places import confined
from ddp_mlp.service.settings import Settings

#: Keys that name files, by section.
PATH_KEYS = {"data": ("train", "valid"), "model": ("start",)}
_KEY = re.compile(r"[a-z]{1,40}(\.[a-z0-9_]{1,60}){1,2}")
_PROBLEM = re.compile(r"\[([a-z_.]+)\] ([a-z0-9_]+)")
_MOST_OVERRIDES = 200
_MOST_NAMES = 10_000


class RefusedError(UsageError):
    """A request that asks for something impossible, with the problem of each key."""

    def __init__(self, message: str, problems: list[tuple[str, str]]) -> None:
        UsageError.__init__(self, message)
        self.problems = problems


class Checked(Struct, frozen=True):
    """A configuration that was checked: keys that are set, with absolute paths, and all of it."""

    table: dict[str, Any]
    config: Config

    @property
    def resolved(self) -> str:
        """All keys as TOML."""
        return as_toml(self.config)


def check_config(text: str, overrides: Mapping[str, Any], settings: Settings) -> Checked:
    """Check a configuration, and that the files that it names may be read.

    Raises
    ------
    RefusedError
        With everything that is wrong.
    """
    if len(text.encode(errors="replace")) > MOST_BYTES:
        raise RefusedError(f"config: longer than {MOST_BYTES} bytes", [("config", "too long")])
    try:
        table = parse_toml(text)
    except ValueError as error:
        raise RefusedError(f"config: not valid TOML: {error}", [("config", str(error))]) from None
    problems = _apply(table, overrides)
    problems += [] if problems else _confine(table, settings)
    lines = [f"{key}: {message}" for key, message in problems]
    try:
        raw = plain(table)
        found = check_values(raw)
        if not found:
            found = check_consistency(resolve_defaults(raw))
    except (RecursionError, OverflowError) as error:
        raise RefusedError(f"config: {error}", [("config", str(error))]) from None
    problems += [(_key_of(problem), problem) for problem in found]
    if lines := lines + found:
        raise RefusedError("; ".join(lines), problems)
    return Checked(table, from_builtins(table, "config"))


def _apply(table: Table, overrides: Mapping[str, Any]) -> list[tuple[str, str]]:
    if len(overrides) > _MOST_OVERRIDES:
        return [("overrides", f"more than {_MOST_OVERRIDES}")]
    problems = []
    for key, value in overrides.items():
        *tables, last = key.split(".")
        if not _KEY.fullmatch(key):
            problems.append((literal(key)[1:-1], "not of the form section.key"))
        elif value is None or not _is_toml(value):
            problems.append((key, f"{literal(value)} is no value of TOML"))
        else:
            inner: Any = table
            for name in tables:
                inner = inner.setdefault(name, {}) if isinstance(inner, dict) else None
            if isinstance(inner, dict):
                inner[last] = value
            else:
                problems.append((key, "is within something that is no table"))
    return problems


def _is_toml(value: Any) -> bool:
    """Tell whether a JSON value can stand in a configuration: numbers, texts, and lists of them."""
    if isinstance(value, list):
        return len(value) <= _MOST_NAMES and all(_is_toml(one) and not isinstance(one, list) for one in value)
    return isinstance(value, bool | int | float | str)


def _confine(table: Table, settings: Settings) -> list[tuple[str, str]]:
    """Make the paths of a configuration absolute, and name those that lead elsewhere."""
    problems = []
    for section, names in PATH_KEYS.items():
        keys: Any = table.get(section)
        for name in names if isinstance(keys, dict) else ():
            value = keys.get(name)
            if isinstance(value, str) and not (value == NONE and name != "train"):
                try:
                    keys[name] = confined_location(value, settings)
                except UsageError as error:
                    problems.append((f"{section}.{name}", str(error)))
    return problems


def confined_location(text: str, settings: Settings) -> str:
    """Return ``F.h5`` or ``F.h5:/group`` with an absolute path, if it is a file of this service.

    Raises
    ------
    UsageError
        If it is not.
    """
    path, colon, group = text.partition(":")
    if ":" in group:
        raise UsageError(f"{literal(text)}: more than one colon; name F.h5 or F.h5:/group")
    real = confined(path, settings.directory, settings.roots)
    location = f"{real}{colon}{group}"
    is_named = not colon or (group.startswith("/") and group.isprintable() and not os.path.lexists(location))
    if ":" in str(real) or not is_named:
        raise UsageError(f"{literal(text)}: name F.h5 or F.h5:/group, without another colon in the path")
    return location


def _key_of(problem: str) -> str:
    found = _PROBLEM.match(problem)
    return f"{found[1]}.{found[2]}" if found else "config"
