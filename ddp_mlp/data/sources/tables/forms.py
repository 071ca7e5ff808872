"""How the numbers and dates of a column are written, decided from all cells of the table."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ddp_mlp.data.sources.column import PLAIN
from ddp_mlp.data.sources.tables.cells import DATE_FORMATS, NUMBER_FORMS, times_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ddp_mlp.data.sources.tables.facts import NumberFacts, TextFacts

_COMMA = "decimal comma"
_BLANKS = "thousands by blanks"


@dataclass(frozen=True)
class Ambiguous:
    """Cells that can be read in two ways, and what to do about it; of dates the formats."""

    reason: str
    formats: tuple[str, ...] = ()


def full_forms(facts: TextFacts, decimal: str | None) -> list[str]:
    """Return the forms of which each cell is; none if units differ."""
    if len(facts.decorations) != 1 or not facts.n_filled:
        return []
    full = [form for form, n in facts.forms.items() if n == facts.n_filled]
    return full if decimal is None else [form for form in full if NUMBER_FORMS[form].comma == (decimal == ",")]


def decimal_sign(numbers: Mapping[str, NumberFacts], texts: Iterable[TextFacts]) -> str | None:
    """Return the decimal sign that columns of one meaning show, None if they show none or both."""
    signs = {"." for facts in numbers.values() if facts.is_number and not facts.is_whole}
    by_text = set()
    for facts in texts:
        full = full_forms(facts, None)
        if full and PLAIN not in full:
            found = {"," if NUMBER_FORMS[form].comma else "." for form in full}
            by_text |= found if len(found) == 1 else set()
    # Points beside commas may group thousands, so commas decide; `form_of` looks at the points.
    signs = by_text or signs
    return signs.pop() if len(signs) == 1 else None


def clear_signs(numbers: Mapping[str, NumberFacts], texts: Mapping[str, TextFacts]) -> set[str]:
    """Return the decimal signs of columns that can be read in one way only."""
    found = {"." for name, facts in numbers.items() if facts.is_number and not facts.is_whole and name not in texts}
    for facts in texts.values():
        signs = {"," if NUMBER_FORMS[form].comma else "." for form in full_forms(facts, None)}
        found |= signs if len(signs) == 1 else set()
    return found


def _is_clear(full: list[str]) -> bool:
    # Groups by blanks without a decimal sign are the same number either way.
    return len({NUMBER_FORMS[form].comma for form in full}) == 1 or all(form.startswith(_BLANKS) for form in full)


def form_of(facts: TextFacts, decimal: str | None, shown: str | None) -> str | Ambiguous | None:
    """Return how the numbers of a column are written.

    Parameters
    ----------
    facts : TextFacts
        The column.
    decimal : str or None
        The decimal sign as stated by the user.
    shown : str or None
        The decimal sign that other columns show.

    Returns
    -------
    str or Ambiguous or None
        A key of `NUMBER_FORMS`, or None if the cells are no numbers.
    """
    full = full_forms(facts, decimal)
    if not full:
        return None
    if decimal is None and not _is_clear(full):
        by_points = "thousands by points, decimal comma"
        if PLAIN in full and not (shown == "," and by_points in full and _COMMA not in full):
            return PLAIN
        if PLAIN not in full and shown is not None:
            full = [form for form in full if NUMBER_FORMS[form].comma == (shown == ",")]
        else:
            return Ambiguous(
                "a number with a decimal sign or with groups of thousands; --decimal , or --decimal . decides"
            )
    return full[0]


def has_dates(facts: TextFacts, form: str) -> bool:
    """Tell whether all cells are dates of a format."""
    import pyarrow as pa

    if form in facts.dates:
        return facts.dates[form] == facts.n_filled
    return facts.values is not None and times_of(pa.array(list(facts.values), pa.string()), form).null_count == 0


def date_form_of(facts: TextFacts) -> str | Ambiguous | None:
    """Return the format of the dates of a column, None if the cells are none."""
    full = [form for form in DATE_FORMATS if facts.n_filled and facts.dates[form] == facts.n_filled]
    if {form[:5] for form in full} >= {"%m/%d", "%d/%m"}:
        both = tuple(form for form in full if form[:5] in {"%d/%m", "%m/%d"})
        return Ambiguous("a date with the month or the day first", tuple(sorted(both)))
    if full and _begins_with_year(facts, full[0]):
        return Ambiguous("a date with the day or the year first", (full[0], _turned(full[0])))
    return full[0] if full else None


def _turned(form: str) -> str:
    """Return a format that begins with the day as one that begins with the year."""
    return form.replace("%d", "%%").replace("%y", "%d").replace("%%", "%y")


def _begins_with_year(facts: TextFacts, form: str) -> bool:
    """Tell whether cells as ``24/01/31`` may have the year first: days differ more than years do, where these are last.

    Examples
    --------
    >>> from ddp_mlp.data.sources.tables.facts import TextFacts
    >>> cells = dict.fromkeys(("24/01/30", "24/02/28", "23/03/31"), 1)
    >>> _begins_with_year(TextFacts(n_rows=3, values=cells), "%d/%m/%y")
    True
    """
    if not form.startswith("%d") or "%y" not in form or "%b" in form or not has_dates(facts, _turned(form)):
        return False
    parts = [re.findall(r"\d+", cell) for cell in facts.values or ()]
    return len({part[0] for part in parts}) <= len({part[2] for part in parts})
