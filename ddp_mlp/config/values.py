"""Values as people write them: taken where they have one meaning, else answered with how to write them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, get_args

from ddp_mlp.config.bounds import objection, parts, words
from ddp_mlp.config.schema import is_table, keys, sections

Table = dict[str, Any]

#: Takes a value back that the file, or the environment, gives to a key that need not have one.
NONE = "none"
#: In place of the path of a data set that is in memory.
IN_MEMORY = "(in memory)"

_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+([eE][+-]?\d+)?")
_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_HEADER = re.compile(r"\s*\[\s*([A-Za-z_.]+)\s*\]")
_LINE = re.compile(r"\s*([A-Za-z0-9_]+)\s*([=:])\s*(.*?)\s*(?:#.*)?")
#: Also those of word processors, which are no quotes in TOML.
_QUOTES = "\"'\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}\N{DOUBLE LOW-9 QUOTATION MARK}"


def plain(raw: Table) -> Table:
    """Return tables with whole numbers as such, 10.0 and 1e1 too, and without the values that are taken back."""
    known = sections()
    return {name: _plain(table, keys(known[name])) if name in known else table for name, table in raw.items()}


def _plain(table: Any, kinds: dict[str, Any]) -> Any:
    if not isinstance(table, dict):
        return table
    return {
        key: _plain(value, keys(kinds[key])) if is_table(kinds.get(key)) else _whole(value, kinds.get(key))
        for key, value in table.items()
        if not (value == NONE and takes_back(kinds.get(key)))
    }


def takes_back(kind: Any) -> bool:
    """Tell whether `NONE` takes a value of this type back, and is no value itself."""
    return type(None) in get_args(kind) and NONE not in words(kind)


def _whole(value: Any, kind: Any) -> Any:
    if isinstance(value, list):
        return [_whole(item, kind) for item in value]
    if isinstance(value, float) and value.is_integer() and is_whole(kind):
        return int(value)
    return value


def is_whole(kind: Any) -> bool:
    """Tell whether all numbers of a type are whole ones."""
    within = {*parts(kind)}
    return int in within and float not in within


def how_to_write(value: Any, kind: Any) -> str:
    """Return how a value that a key cannot take is written, if a person can have meant one; empty otherwise.

    Examples
    --------
    >>> how_to_write("1,5", float), how_to_write("True", bool), how_to_write(32, list[int])
    ('write 1.5', 'write true', 'write [32]')
    >>> how_to_write("10%", float), how_to_write("fast", float)
    ('write 0.1', '')
    """
    fitting = (meant for meant in _meanings(value) if _fits(_whole(meant, kind), kind))
    return next((f"write {json.dumps(_whole(meant, kind), ensure_ascii=False)}" for meant in fitting), "")


def _fits(value: Any, kind: Any) -> bool:
    return (value == NONE and takes_back(kind)) or not objection(value, kind)


def advice_for_line(text: str, line: int) -> str:
    """Return how the value in one line of a configuration that is no TOML is written, if that can be told."""
    above = text.split("\n")[:line]
    found = _LINE.fullmatch(above[-1]) if above else None
    headers = [header[1] for each in above if (header := _HEADER.match(each))]
    if not found or not headers:
        return ""
    section, _, inner = headers[-1].partition(".")
    kinds = keys(sections()[section]) if section in sections() else {}
    kinds = keys(kinds[inner]) if is_table(kinds.get(inner)) else kinds
    name, sign, value = found.groups()
    advice = how_to_write(value, kinds[name]) if kinds.get(name) and value else ""
    return advice.replace("write ", f"write {name} = ", 1) if sign == ":" else advice


def _meanings(value: Any) -> Iterator[Any]:
    """Yield the values that a person can have meant by one, the likeliest first."""
    if isinstance(value, str):
        yield from _meanings_of_text(value.strip().strip(_QUOTES))
    elif not isinstance(value, list | dict):
        yield [value]
    elif isinstance(value, list) and len(value) == 1:
        yield value[0]


def _meanings_of_text(text: str) -> Iterator[Any]:
    if text.lower() in _WORDS:
        yield _WORDS[text.lower()]
    if text.lower() in ("none", "null", "nil", "~"):
        yield NONE
    if _THOUSANDS.fullmatch(text):
        yield from _numbers(text.replace(",", ""))
    if _DECIMAL_COMMA.fullmatch(text):
        yield from _numbers(text.replace(",", "."))
    if text.endswith("%"):
        yield from (number / 100 for number in _numbers(text[:-1]))
    for number in _numbers(text):
        yield number
        yield [number]
    items = re.split(r"[,;\s]+", text.strip("()[]{} ").rstrip(", "))
    if all(items):
        yield [next(_numbers(item), item.strip(_QUOTES)) for item in items]
    yield text


def _numbers(text: str) -> Iterator[float]:
    """Yield the number that a text is, if it is a finite one of a length that anybody writes."""
    if len(text) < 100 and text.isascii():
        with suppress(ValueError):
            yield int(text)
            return
        with suppress(ValueError):
            yield float(text)
