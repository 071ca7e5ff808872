"""Every key of a configuration with its value and where that came from."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from ddp_mlp.config.loading import layers, load_config
from ddp_mlp.config.reference import all_keys
from ddp_mlp.config.schema import Config
from ddp_mlp.config.toml_text import inline
from ddp_mlp.errors import printable

#: Columns that a key with its value takes before the comment.
_WIDTH = 34


@dataclass(frozen=True)
class Explained:
    """One key, its value, and whether ``default``, ``file``, ``environment`` or ``--set`` gave it."""

    section: str
    name: str
    value: Any
    origin: str

    @property
    def path(self) -> str:
        """``SECTION.KEY``."""
        return f"{self.section}.{self.name}"


def explain(path: Path, overrides: Iterable[str] = (), environment: Mapping[str, str] = os.environ) -> list[Explained]:
    """Return every key of a configuration file, in the order of the reference.

    Raises
    ------
    MissingInputError, UsageError
        As `load_config`.
    """
    given = list(overrides)
    config = load_config(path, given, environment)
    return explained(config, layers(path, given, environment, []))


def explained(config: Config, places: Iterable[tuple[str, Mapping[str, Any]]]) -> list[Explained]:
    """Return every key of a configuration whose keys were set in `places`, the weakest first."""
    values, known = msgspec.to_builtins(config), list(places)
    found = []
    for key in all_keys():
        origins = [name for name, table in known if _at(table, key.section, key.name, None) is not None]
        found.append(
            Explained(key.section, key.name, _at(values, key.section, key.name, None), (["default", *origins])[-1])
        )
    return found


def _at(table: Any, section: str, name: str, absent: Any) -> Any:
    for part in [*section.split("."), name]:
        table = table.get(part, absent) if isinstance(table, Mapping) else absent
    return table


def explained_text(keys: Iterable[Explained], guesses: Mapping[str, str], unknown: str = "") -> str:
    """Return the keys as a configuration file, with a comment on each; keys without a value are comments as a whole.

    Parameters
    ----------
    guesses : mapping
        What "auto" and the like become with the data, by ``SECTION.KEY``.
    unknown : str
        Why there are no such guesses.
    """
    lines = [f"# {printable(unknown)}"] if unknown else []
    section = ""
    for key in keys:
        if key.section != section:
            section = key.section
            lines += [*([""] if lines else []), f"[{section}]"]
        text = f"# {key.name}" if key.value is None else f"{key.name} = {inline(key.value)}"
        unset = ": not set" if key.value is None else ""
        guess = f"; guessed: {guesses[key.path]}" if key.path in guesses else ""
        lines.append(f"{text:<{_WIDTH}}  # {key.origin}{unset}{guess}")
    return "\n".join([*lines, ""])
