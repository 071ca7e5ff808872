"""Text of users and files is text in a page, and numbers are those that a person reads."""

from __future__ import annotations

import json

import pytest

from ddp_mlp.report.pages.markup import Markup, as_data, duration, element, escaped, in_short, shown, table, told_apart

EVIL = "<script>alert(1)</script>\"'&\x1b[2J"


def test_text_has_no_meaning_in_a_page():
    assert escaped(EVIL) == "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#x27;&amp;\\x1b[2J"
    found = element("p", EVIL, title=EVIL) + table([EVIL], [[EVIL]], caption=EVIL, sortable=True)
    assert "<script" not in found
    assert "\x1b" not in found
    assert element("p", Markup("<b>x</b>")) == "<p><b>x</b></p>"


def test_data_cannot_end_their_script_and_stay_the_same():
    value = {"name": EVIL + "</script><!-- ]]>\u2028", "numbers": [1.5, None]}
    found = as_data(value)
    assert not set("<>&") & set(found)
    assert json.loads(found) == value


def test_numbers_are_read_with_ease():
    assert [shown(v) for v in (None, True, 0.123456789, 10154, 12, [1, 2])] == [
        "-",
        "true",
        "0.12346",
        "10 154",
        "12",
        "[1, 2]",
    ]
    assert [duration(v) for v in (0.5, 61, 3700, None, float("nan"), 1e30)] == [
        "0.5 s",
        "1 min 1 s",
        "1 h 1 min",
        "-",
        "-",
        "-",
    ]


def test_large_numbers_are_read_without_powers_of_ten():
    assert [shown(v) for v in (1424512.6, 75290.4, 99999.96, -250000.0, 1e15, 1e-7)] == [
        "1 424 513",
        "75 290",
        "100 000",
        "-250 000",
        "1e+15",
        "1e-07",
    ]


@pytest.mark.parametrize(("value", "step"), [(1.7e9, 0.2), (1.7e9, 100.0), (5e-9, 1e-12), (-273.15, 1e-3), (1e20, 1e8)])
def test_numbers_that_differ_by_a_step_are_told_apart(value, step):
    assert told_apart(value, step) != told_apart(value + step, step)
    ticks = in_short([value + i * step for i in range(4)], step)
    assert len(set(ticks)) == 4, ticks


def test_a_table_sorts_by_numbers_and_not_by_their_text():
    found = table(["run", "loss"], [["a", 0.5], ["b", float("nan")]], caption="runs", sortable=True)
    assert 'data-order="0.5"' in found
    assert found.count("data-order") == 1
