"""Messages stay short whatever was put into them, and a terminal has nothing to obey."""

from __future__ import annotations

from datetime import date
from typing import Any

from ddp_mlp.errors import (
    MOST_OF_A_LINE,
    MOST_OF_A_WORD,
    DataError,
    UsageError,
    brief,
    counted,
    error_from_code,
    literal,
)


def test_no_message_echoes_what_is_endless() -> None:
    for error in (UsageError("a" * 10**6), error_from_code(65, "b " * 10**6), DataError("c\n" * 10**6)):
        assert all(len(line) <= MOST_OF_A_LINE for line in str(error).split("\n"))
        assert len(str(error)) < 10**5


def test_the_beginning_and_the_end_of_a_long_path_stay() -> None:
    message = brief(f"cannot read /data/{'x' * 10_000}/train.h5: gone")
    assert message.startswith("cannot read /data/xxx")
    assert message.endswith("xxx/train.h5: gone")
    assert max(map(len, message.split())) == MOST_OF_A_WORD


def test_what_is_short_stays_as_it_is() -> None:
    text = "a tree:\n  /train\n  /valid " + "y" * MOST_OF_A_WORD
    assert brief(text) == text


def test_every_value_has_a_short_form() -> None:
    values: list[Any] = [
        10**5000, -(10**5000), 2**70, 0x1 << 100_000, "x" * 10**6, "\x1b[2J\udce9\0" * 1000, [[[[[[1]]]]]] * 1000,
        {"a": {"b": {"c": {}}}}, {f"k{i}": i for i in range(10_000)}, [10**5000] * 3, b"\0" * 10**6, 1e308, None, True,
    ]  # fmt: skip
    for value in values:  # not parameters: pytest itself cannot print the first
        text = literal(value)
        assert len(text) <= 160
        assert text.isprintable()


def test_short_forms() -> None:
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    assert literal(deep) == "[[[[...]]]]"
    assert literal(date(1979, 5, 27)) == "1979-05-27"
    assert literal([1.5, "a"]) == "[1.5, 'a']"


def test_one_of_a_thing_is_not_several() -> None:
    assert [counted(n, "row") for n in (0, 1, 2)] == ["0 rows", "1 row", "2 rows"]
    assert [counted(n, "class") for n in (1, 3)] == ["1 class", "3 classes"]
