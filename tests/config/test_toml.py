"""TOML from anyone is parsed in time, or refused in words."""

from __future__ import annotations

import tomllib
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddp_mlp.config.toml import parse_toml, parse_value

#: What takes a parser long, or more stack than there is, or numbers that Python does not read.
BOMBS = {
    "deep lists": "a = " + "[" * 100_000,
    "deep tables": "a = " + "{b = " * 5000 + "1" + "}" * 5000,
    "a key of many parts": ".".join("a" * 100_000) + " = 1",
    "a table of many parts": "[" + " . ".join('"a"' for _ in range(50_000)) + "]",
    "parts in an inline table": "a = {" + ".".join("b" * 50_000) + " = 1}",
    "5000 digits": "a = " + "9" * 5000,
    "hexadecimal digits": "a = 0x" + "f" * 100_000,
    "depth behind a closed text": 'a = ["""x"""", ' + "[" * 5000,
    "depth behind a comment": "# it's\na = " + "[" * 5000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"(?i)nested|parts|digits|expected|invalid") as caught:
        parse_toml(BOMBS[name])
    assert len(str(caught.value)) < 200


def test_long_texts_are_read() -> None:
    """In a time that grows with their length; with its square they would take minutes."""
    for text in (
        "b" * 400_000 + " = 1",
        "a = '" + "x.y" * 100_000 + "'",
        'a = "' + "[{" * 100_000 + '"',
        'a = """' + '"" ' * 100_000 + '"""',
        "#" + "[" * 400_000,
        "a = [" + "0.5, " * 80_000 + "]",
        "".join(f"k{i} = 1\n" for i in range(40_000)),
    ):
        assert parse_toml(text) == tomllib.loads(text)


@given(st.text(alphabet="ab.[]{}\"'#\\=,\n 1", max_size=60))
def test_what_is_not_deep_means_the_same_as_ever(text: str) -> None:
    """The look at brackets and dots must not see any in texts and comments."""
    try:
        expected: Any = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    try:
        assert parse_toml(text) == expected
    except ValueError as error:
        assert "more than 8" in str(error)  # noqa: PT017
        assert text.count("[") + text.count("{") + text.count(".") >= 8


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3), ("relu", "relu"), ("", ""), ("[1,\n2]", [1, 2]), ("1 # one", 1), ("1979-05-27", date(1979, 5, 27)),
        ("3\nseed = 4", "3\nseed = 4"), ("1\n[model]\nhidden = [3]", "1\n[model]\nhidden = [3]"),
        ("9" * 5000, "9" * 5000), ("[" * 5000, "[" * 5000), ("1,5", "1,5"), ("True", "True"), ("'", "'"),
    ],
)  # fmt: skip
def test_one_value_or_the_text_itself(text: str, value: Any) -> None:
    assert parse_value(text) == value
