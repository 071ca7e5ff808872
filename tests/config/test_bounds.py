"""Every key has bounds that a person could mean, and says them."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta

from ddp_mlp.config.bounds import LEAST, in_words, metas, objection
from ddp_mlp.config.schema import Timeout, is_table, keys, sections
from ddp_mlp.errors import literal


def kinds() -> list[tuple[str, Any]]:
    found = [(f"{section}.{key}", kind) for section, part in sections().items() for key, kind in keys(part).items()]
    tables = [(f"{name}.{key}", inner) for name, kind in found if is_table(kind) for key, inner in keys(kind).items()]
    return [(name, kind) for name, kind in found if not is_table(kind)] + tables


def test_no_number_list_or_text_of_the_schema_is_unbounded() -> None:
    endless = [0] * (10**6 + 1)
    for name, kind in kinds():
        for value in (10**39, -(10**39), 1e300, -1e300, math.inf, math.nan, 10**5000, "x" * 10**5, ["x"], endless):
            assert objection(value, kind), (name, literal(value))


def test_the_bounds_of_each_key_can_be_said() -> None:
    for name, kind in kinds():
        text = in_words(kind)
        numbers = [meta for meta in metas(kind) if meta.ge is not None]
        assert text, name
        assert len(numbers) == 0 or " from 0" in text or " from " in text, (name, text)
        assert "or more" not in text, name


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (bool, "true or false"),
        (bool | Literal["auto"], "true or false, or auto"),
        (str, "text"),
        (Annotated[str, Meta(min_length=1, max_length=4095)], "text of 1 to 4,095 characters"),
        (Timeout, "0, or a number from 0.1 to 1e+07"),
        (Annotated[float, Meta(gt=0, lt=1)], "a number above 0 and up to below 1"),
        (list[Annotated[int, Meta(ge=1, le=9)]], "a list of: a whole number from 1 to 9"),
    ],
)
def test_words(kind: Any, text: str) -> None:
    assert in_words(kind) == text


def test_zero_may_stand_for_never_where_the_least_is_more() -> None:
    kind = Annotated[float, Meta(ge=0, le=10, extra={LEAST: 2})]
    assert [bool(objection(value, kind)) for value in (-1, -0.0, 0, 1e-300, 1.9, 2, 10, 11)] == [
        True, False, False, True, True, False, False, True,
    ]  # fmt: skip


@pytest.mark.parametrize("value", [True, "1", "", None, [], {}, 1.5, "²"])
def test_only_a_whole_number_is_one(value: Any) -> None:
    assert objection(value, Annotated[int, Meta(ge=0, le=9)]) == "must be a whole number from 0 to 9"


@pytest.mark.parametrize(("text", "phrase"), [("a\0b", "NUL"), ("caf\udce9.h5", "UTF-8"), ("\ud800", "UTF-8")])
def test_text_that_no_file_could_keep_is_refused(text: str, phrase: str) -> None:
    assert phrase in objection(text, str)
    assert phrase in objection([text], list[str])
