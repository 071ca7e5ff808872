"""Every key of the configuration as a document, and as a JSON Schema for editors; read off the structs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from ddp_mlp.config.bounds import in_words, words
from ddp_mlp.config.checks import resolve_defaults
from ddp_mlp.config.meanings import MEANINGS, SECTIONS
from ddp_mlp.config.schema import Config, is_table, keys, sections
from ddp_mlp.config.toml_text import inline

_HEAD = """\
# Configuration

Every key of a configuration file, written by `ddp-mlp config reference`. `ddp-mlp config show c.toml` shows the value
of each in a file of yours and where it came from, `ddp-mlp config init data.h5` writes a file to begin with, and
`ddp-mlp config schema` prints a JSON Schema for editors.

Only `[data] train` must be given. What is stronger overrides what is weaker: defaults, the file, variables of the
environment such as `DDP_MLP_TRAIN_EPOCHS=20`, `--set train.epochs=20`. Where the default is none, `"none"` takes a
value back. Whole numbers may be written 10, 10.0 or 1e1.
"""
_TABLE = "| key | allowed | default | meaning |\n|---|---|---|---|\n"


@dataclass(frozen=True)
class Key:
    """One key.

    Attributes
    ----------
    section : str
        Such as ``data`` or ``data.augment``.
    kind : Any
        Its type in the schema.
    default : str
        In TOML; what it depends on, in words; or ``must be given``.
    """

    section: str
    name: str
    kind: Any
    default: str

    @property
    def path(self) -> str:
        """``SECTION.KEY``."""
        return f"{self.section}.{self.name}"


def all_keys() -> list[Key]:
    """Return all keys in the order of the file, those of tables within a section after its own."""
    return [key for item in msgspec.structs.fields(Config) for key in _keys_of(item.name, item.type)]


def _keys_of(section: str, kind: Any) -> Iterator[Key]:
    fields = msgspec.structs.fields(kind)
    for item in fields:
        if not is_table(item.type):
            yield Key(section, item.name, item.type, _default(section, item))
    for item in fields:
        if is_table(item.type):
            yield from _keys_of(f"{section}.{item.name}", item.type)


def _default(section: str, item: Any) -> str:
    if item.required:
        return "must be given"
    value = item.default if item.default_factory is msgspec.NODEFAULT else item.default_factory()
    if value is not None:
        return inline(value)
    chosen = _defaults_by_name(section, item.name)
    return "; ".join(f"{value} of {', '.join(names)}" for value, names in chosen.items()) or "none"


def _defaults_by_name(section: str, key: str) -> dict[str, list[str]]:
    """Return the defaults that a key has only beside certain values of ``name``, and these values."""
    kinds = keys(sections()[section]) if section in sections() else {}
    found: dict[str, list[str]] = {}
    for name in words(kinds["name"]) if "name" in kinds else ():
        value = resolve_defaults({section: {"name": name}})[section].get(key)
        if value is not None:
            found.setdefault(inline(value), []).append(name)
    return found


def reference_text() -> str:
    """Return ``docs/configuration.md``."""
    parts = [_HEAD]
    section = ""
    for key in all_keys():
        if key.section != section:
            section = key.section
            parts.append(f"\n## [{section}]\n\n{SECTIONS[section]}\n\n{_TABLE}")
        allowed = in_words(key.kind).replace("|", "\\|")
        parts.append(f"| `{key.name}` | {allowed} | {key.default} | {MEANINGS[key.path]} |\n")
    return "".join(parts)


def json_schema() -> dict[str, Any]:
    """Return a JSON Schema of the file, with the meaning of each key."""
    schema = msgspec.json.schema(Config)
    by_struct = {kind.__name__: section for section, kind in _structs()}
    for name, definition in schema["$defs"].items():
        section = by_struct.get(name, "")
        definition["description"] = SECTIONS.get(section, "The configuration of a run.")
        for key, described in definition.get("properties", {}).items():
            path = f"{section}.{key}".strip(".")
            described["description"] = MEANINGS.get(path) or SECTIONS.get(path, "")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "ddp-mlp configuration", **schema}


def _structs() -> Iterator[tuple[str, Any]]:
    for item in msgspec.structs.fields(Config):
        yield item.name, item.type
        for inner in msgspec.structs.fields(item.type):
            if is_table(inner.type):
                yield f"{item.name}.{inner.name}", inner.type
