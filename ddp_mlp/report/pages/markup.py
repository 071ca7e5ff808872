"""Pieces of HTML. Whatever comes from a user or a file is text here, and is escaped in one place."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from ddp_mlp.errors import brief, literal, printable

#: Letters of a fraction up to which a person has typed it.
_TYPED = 10
#: Of the numbers of an axis, the largest first.
_UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


class Cell(NamedTuple):
    """A cell of a table: its text, the number that it is sorted by, and how dark it is, 0 to 8."""

    text: str
    order: float | None = None
    shade: int | None = None


def escaped(value: object) -> Markup:
    """Return any value as HTML: its text, in which nothing has a meaning."""
    if isinstance(value, Markup):
        return value
    return Markup(html.escape(printable(value) if isinstance(value, str) else str(value)))


def element(name: str, *inside: object, **attributes: object) -> Markup:
    """Return an element; of attributes ``class_`` is class, ``data_x`` is data-x.

    Examples
    --------
    >>> element("b", "<3", class_="x")
    '<b class="x">&lt;3</b>'
    """
    given = "".join(f' {key.rstrip("_").replace("_", "-")}="{escaped(value)}"' for key, value in attributes.items())
    return Markup(f"<{name}{given}>{''.join(map(escaped, inside))}</{name}>")


def joined(parts: Iterable[object]) -> Markup:
    """Return pieces of HTML, one after the other."""
    return Markup("\n".join(map(escaped, parts)))


def table(header: Sequence[str], rows: Iterable[Sequence[object]], *, caption: str, sortable: bool = False) -> Markup:
    """Return a table whose first column names its rows; numbers in it are aligned right."""
    heads = [
        element("th", element("button", name, type="button") if sortable else name, scope="col") for name in header
    ]
    lines = [element("tr", *(_cell(value, is_name=i == 0) for i, value in enumerate(row))) for row in rows]
    body = element("thead", element("tr", *heads)), element("tbody", *lines)
    kind = {"class_": "sortable"} if sortable else {}
    whole = element("table", element("caption", caption), *body, **kind)
    return element("div", whole, class_="wide", tabindex=0, role="region", aria_label=caption)


def _cell(value: object, *, is_name: bool) -> Markup:
    cell = value if isinstance(value, Cell) else Cell(value if isinstance(value, str) else shown(value), _order(value))
    attributes: dict[str, object] = {"scope": "row"} if is_name else {}
    if cell.order is not None:
        shade = "" if cell.shade is None else f" h{cell.shade}"
        attributes |= {"data_order": repr(cell.order)} | ({} if is_name else {"class_": f"number{shade}"})
    return element("th" if is_name else "td", cell.text, **attributes)


def _order(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None  # type: ignore[arg-type]


def as_set(value: object) -> object:
    """Return a setting for a table: of a fraction that a person has typed all digits, though they be more than five.

    Examples
    --------
    >>> as_set(0.9999995), as_set(0.00316227766)
    (Cell(text='0.9999995', order=0.9999995, shade=None), 0.00316227766)
    """
    if isinstance(value, float) and not value.is_integer() and abs(value) < 10**4 and len(repr(value)) <= _TYPED:
        return Cell(repr(value), value)
    return value


def shown(value: object) -> str:
    """Return a value as a person reads it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return in_digits(value, 5)
    if isinstance(value, int) and abs(value) < 10**15:
        return f"{value:,}".replace(",", " ") if abs(value) >= 10**4 else str(value)
    return brief(printable(value)) if isinstance(value, str) else literal(value)


def in_digits(value: float, digits: int) -> str:
    """Return a number in so many digits, of which those before the point are never left out.

    Examples
    --------
    >>> in_digits(1424512.6, 5), in_digits(0.04677123, 5), in_digits(1.7e20, 5)
    ('1 424 513', '0.046771', '1.7e+20')
    """
    size = abs(value)
    if not 10**4 <= size < 10**15:
        return f"{value:.{digits}g}"
    text = f"{value:,.{max(0, digits - 1 - math.floor(math.log10(size)))}f}".replace(",", " ")
    return text.rstrip("0").rstrip(".") if "." in text else text


def told_apart(value: float, step: float) -> str:
    """Return a number in as many digits as tell it from another that is `step` away, five at least.

    Examples
    --------
    >>> told_apart(1700000100.25, 0.5), told_apart(2020.4, 1.0), told_apart(3.0, 0.0)
    ('1 700 000 100.25', '2020.4', '3')
    """
    if not (math.isfinite(value) and math.isfinite(step)) or value == 0 or step <= 0:
        return shown(value)
    return in_digits(value, min(17, max(5, math.floor(math.log10(abs(value))) - math.floor(math.log10(step)) + 2)))


def exact(value: float, step: float) -> Cell:
    """Return a cell with a number that is told apart from those that are `step` away."""
    return Cell(told_apart(value, step), value if math.isfinite(value) else None)


def in_short(ticks: Sequence[float], step: float) -> list[str]:
    """Return the numbers of an axis as short as they can be told apart: 2.5M, 30k, 0.001.

    Examples
    --------
    >>> in_short([0.0, 500000.0, 1000000.0], 500000.0), in_short([0.5, 1.0], 0.5)
    (['0', '0.5M', '1M'], ['0.5', '1'])
    """
    most = max(map(abs, ticks), default=0.0)
    unit, sign = next(((u, s) for u, s in _UNITS if most >= 10 * u or (most >= u > 1000)), (1.0, ""))
    if most >= 10**15:
        unit, sign = 1.0, ""
    return [told_apart(tick / unit, step / unit) + (sign if tick else "") for tick in ticks]


def duration(seconds: float | None) -> str:
    """Return a time as a person reads it.

    Examples
    --------
    >>> duration(0.25), duration(75), duration(90000)
    ('0.25 s', '1 min 15 s', '1 d 1 h')
    """
    if seconds is None or not math.isfinite(seconds) or seconds < 0 or seconds > timedelta.max.total_seconds():
        return "-"
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def as_data(value: Any) -> Markup:
    """Return a value as JSON that stands inside a script element: no character in it can end that."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
