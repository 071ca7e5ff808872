"""TOML from anyone: parsed in a time and a depth that its length bounds."""

from __future__ import annotations

import re
import sys
import tomllib
from typing import Any

Table = dict[str, Any]

#: More than any key or value of a configuration needs; the parser's time grows with the square of it.
_DEEPEST = 8

# Strings and comments, so that what looks like a bracket or a dot in them is not counted. Each
# alternative ends at the latest where the text does: no start is tried twice.
_OPAQUE = re.compile(
    r'"""(?:[^"\\]|\\(?:.|\Z)|"(?!""))*+(?:"{3,5}|\Z)'
    r"|'''(?:[^']|'(?!''))*+(?:'{3,5}|\Z)"
    r'|"(?:\\.|[^"\\\n])*+"?'
    r"|'[^'\n]*+'?"
    r"|\#[^\n]*+",
    re.DOTALL,
)
_BRACKET = re.compile(r"[\[\]{}]")
_PART = r"(?:[A-Za-z0-9_-]++|'')"
_LONG_KEY = re.compile(rf"(?<![A-Za-z0-9_-]){_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{{_DEEPEST},}}")


#: Of bases for which Python has no limit of its own.
_MOST_DIGITS = 1000
#: Numbers that everybody else writes like this, and TOML with a digit on both sides of the point.
_SHORT_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,40}\.[0-9]{0,40}|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,4})?")
_LONG_NUMBER = re.compile(rf"0[xob][0-9A-Fa-f_]{{{_MOST_DIGITS},}}")


def parse_toml(text: str) -> Table:
    """Return the tables of a TOML text.

    Raises
    ------
    ValueError
        If it is none, in words for a message; also where it is nested beyond all sense.
    """
    _check_size(text)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except ValueError:  # of `int`, which Python refuses to read at greater length
        raise ValueError(f"a number of more than {sys.get_int_max_str_digits()} digits") from None


def parse_value(text: str) -> Any:
    r"""Return the one value that a TOML text is; the text itself where it is none.

    Examples
    --------
    >>> parse_value("[1, 2]"), parse_value("relu"), parse_value("3\nseed = 4")
    ([1, 2], 'relu', '3\nseed = 4')
    >>> parse_value(".001"), parse_value("1.")
    (0.001, 1.0)
    """
    try:
        table = parse_toml(f"value = {text}")
    except ValueError:
        return float(text) if _SHORT_NUMBER.fullmatch(text) else text
    return table["value"] if len(table) == 1 else text


def _check_size(text: str) -> None:
    bare = _OPAQUE.sub(lambda found: "" if found[0].startswith("#") else "''", text)
    depth = 0
    for bracket in _BRACKET.finditer(bare):
        depth = depth + 1 if bracket[0] in "[{" else max(0, depth - 1)
        if depth > _DEEPEST:
            raise ValueError(f"nested more than {_DEEPEST} deep (line {_line(bare, bracket.start())} or later)")
    if found := _LONG_NUMBER.search(bare):
        raise ValueError(f"a number of more than {_MOST_DIGITS} digits (line {_line(bare, found.start())} or later)")
    if found := _LONG_KEY.search(bare):
        raise ValueError(f"a key of more than {_DEEPEST} parts (line {_line(bare, found.start())} or later)")


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
