"""Cells as text turned into numbers: missing cells, ways to write numbers, dates.

Functions take and return `pyarrow` arrays; a null is a missing cell.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ddp_mlp.data.sources.column import PLAIN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

#: Cells that hold nothing, in lower case, after blanks around them are cut off.
MISSING = ("", "na", "n/a", "#n/a", "<na>", "nan", "null", "?", "-")
#: What `str.strip` leaves may hide in cells: a no-break space, a narrow one, a figure space, a byte order mark.
BLANKS = " \t\r\n\x0b\x0c\u00a0\u202f\u2007\ufeff"
#: From here on not every whole number is a float64.
EXACT = 2**53

_GAP = "[ \u00a0\u202f'\u2019]"


@dataclass(frozen=True)
class NumberForm:
    """One way to write numbers.

    Attributes
    ----------
    words : str
        Its name.
    pattern : str
        Regular expression of a whole cell.
    cut : str
        Characters that group digits, and go.
    comma : bool
        Whether a comma is the decimal sign.
    """

    words: str
    pattern: str
    cut: str = ""
    comma: bool = False


#: Tried in this order; whole numbers without groups are of each form.
NUMBER_FORMS: Mapping[str, NumberForm] = {
    form.words: form
    for form in (
        NumberForm(PLAIN, r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"),
        NumberForm("decimal comma", r"[+-]?(\d+,?\d*|,\d+)([eE][+-]?\d+)?", comma=True),
        NumberForm("thousands by commas", r"[+-]?([1-9]\d{0,2}(,\d{3})+|\d+)(\.\d*)?", cut=","),
        NumberForm(
            "thousands by points, decimal comma", r"[+-]?([1-9]\d{0,2}(\.\d{3})+|\d+)(,\d*)?", cut=".", comma=True
        ),
        NumberForm(
            "thousands by blanks", rf"[+-]?([1-9]\d{{0,2}}({_GAP}\d{{3}})+|\d+)(\.\d*)?", cut=" \u00a0\u202f'\u2019"
        ),
        NumberForm(
            "thousands by blanks, decimal comma", rf"[+-]?([1-9]\d{{0,2}}({_GAP}\d{{3}})+|\d+)(,\d*)?",
            cut=" \u00a0\u202f'\u2019", comma=True,
        ),
        NumberForm("exponents of Fortran", r"[+-]?(\d+\.?\d*|\.\d+)([dD][+-]\d{2,3})?"),
    )
}  # fmt: skip
_CURRENCY = r"[$€£¥₹]"
# RE2: each group has a name.
_DECORATED = (
    rf"^(?P<sign>[+-]?)(?P<before>{_CURRENCY}?)[ \x{{a0}}]*"
    rf"(?P<body>[+-]?[\d.,](?:[\d.,]|{_GAP}\d)*(?:[eE][+-]?\d+|[dD][+-]\d+)?)"
    rf"[ \x{{a0}}]*(?P<unit>(?:%|[\pL°$€£¥₹µ][^\d\s]*(?: ?/ ?\pL+)?[²³]?)?)$"
)

#: ISO 8601 with or without a time, which is read without a format of `strptime`.
ISO = "ISO 8601"
DATE_FORMATS = (
    ISO, "%Y/%m/%d", "%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S", "%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S",
    "%d.%m.%y", "%m/%d/%Y", "%d/%m/%Y", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S",
    "%m/%d/%y", "%d/%m/%y", "%m/%d/%y %H:%M", "%d/%m/%y %H:%M", "%m/%d/%Y %I:%M %p", "%m/%d/%Y %I:%M:%S %p",
    "%b %d %Y", "%b %d, %Y", "%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%B %d %Y", "%B %d, %Y", "%d %B %Y",
    "%b-%y", "%b %Y", "%Y-%m", "%H:%M", "%H:%M:%S", "%I:%M %p",
)  # fmt: skip
_ISO_CELL = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?Z?)?$"
#: What each directive of a format may be; `strptime` itself takes 13 for a year and the 31st of February for a day.
_DIRECTIVES = {
    "%Y": r"\d{4}", "%y": r"\d{2}", "%b": r"\pL{3}", "%B": r"\pL+", "%p": "[AaPp][Mm]", "%d": r"(?P<day>\d{1,2})",
    "%m": r"\d{1,2}", "%H": r"\d{1,2}", "%I": r"\d{1,2}", "%M": r"\d{2}", "%S": r"\d{2}",
}  # fmt: skip


def cleaned(cells: Any) -> Any:
    """Return cells without blanks around them, and null where they hold nothing."""
    import pyarrow as pa
    from pyarrow import compute as pc

    trimmed = pc.utf8_trim(cells, BLANKS)
    missing = pc.is_in(pc.utf8_lower(trimmed), pa.array(MISSING))
    return pc.if_else(missing, pa.scalar(None, pa.string()), trimmed)


def are_numbers(cells: Any) -> bool:
    """Tell whether a reader gave cells as numbers already; null and NaN are missing cells then."""
    import pyarrow as pa

    return bool(pa.types.is_float64(cells.type))


def filled(cells: Any) -> NDArray[np.bool_]:
    """Tell which cells hold something."""
    if are_numbers(cells):
        return ~np.isnan(cells.to_numpy(zero_copy_only=False))
    return cleaned(cells).is_valid().to_numpy(zero_copy_only=False)


def different(cells: Any) -> tuple[Any, NDArray[np.int64]]:
    """Return each different cell once, and for every cell which of them it is; a null is an empty cell."""
    from pyarrow import compute as pc

    known = pc.dictionary_encode(pc.fill_null(cells, ""))
    return known.dictionary, known.indices.to_numpy(zero_copy_only=False).astype(np.int64)


def begin_with_zero(cells: Any) -> bool:
    """Tell whether one of these whole numbers, as text, is written as ``007``."""
    offset, n = cells.offset, len(cells)
    _, places, content = cells.buffers()
    if not n or content is None:
        return False
    ends = np.frombuffer(places, np.int32)[offset : offset + n + 1]
    starts = ends[:-1][np.diff(ends) > 1]
    text = np.frombuffer(content, np.uint8)
    first, second = text[starts], text[starts + 1]
    zero, is_sign = ord("0"), (first == ord("+")) | (first == ord("-"))
    # Blanks and signs come before it in few tables, so that only these are read by a pattern.
    odd = is_sign & (second == zero) | (first == ord(" "))
    led = (first == zero) & (second >= zero) & (second <= ord("9"))
    return bool(led.any()) or bool(odd.any() and matches(cells, r"[+-]?0\d+").any())


def plain_numbers(cells: Any) -> NDArray[np.float64] | None:
    """Return cells as plain numbers, NaN where they are missing; None if one is neither."""
    numbers = _cast(cells)
    return numbers if numbers is not None else _cast(_without_plus(cleaned(cells)))


def _without_plus(cells: Any) -> Any:
    from pyarrow import compute as pc

    return pc.replace_substring_regex(cells, r"^\+([\d.])", r"\1")


def _cast(cells: Any) -> NDArray[np.float64] | None:
    import pyarrow as pa
    from pyarrow import compute as pc

    try:
        numbers = pc.cast(cells, pa.float64())
    except pa.ArrowInvalid:
        return None
    return numbers.to_numpy(zero_copy_only=False)


def matches(cells: Any, pattern: str) -> NDArray[np.bool_]:
    """Tell which cells are as a whole of a pattern; missing ones are not."""
    from pyarrow import compute as pc

    found = pc.match_substring_regex(cells, f"^({pattern})$")
    return pc.fill_null(found, False).to_numpy(zero_copy_only=False)


def undecorated(cells: Any) -> tuple[Any, set[str]]:
    """Take currencies, percent signs and units off numbers.

    Returns
    -------
    bodies : pyarrow.Array
        What is left; null where a cell is no decorated number.
    decorations : set of str
        The different ones that were there; "" for none.
    """
    from pyarrow import compute as pc

    parts = pc.extract_regex(cells, _DECORATED)
    sign, before, body, unit = (pc.struct_field(parts, [name]) for name in ("sign", "before", "body", "unit"))
    bodies = pc.utf8_trim(pc.binary_join_element_wise(sign, body, ""), BLANKS)
    found = pc.unique(pc.binary_join_element_wise(before, unit, "")).to_pylist()
    return bodies, {text for text in found if text is not None}


def numbers_of(cells: Any, form: str, *, decorated: bool = False) -> NDArray[np.float64]:
    """Return cleaned cells of a known form as numbers, NaN where they are missing or not of the form."""
    import pyarrow as pa
    from pyarrow import compute as pc

    how = NUMBER_FORMS[form]
    bodies = undecorated(cells)[0] if decorated else cells
    fits = pc.match_substring_regex(bodies, f"^({how.pattern})$")
    bodies = pc.if_else(fits, bodies, pa.scalar(None, pa.string()))
    for character in how.cut:
        bodies = pc.replace_substring(bodies, character, "")
    if how.comma:
        bodies = pc.replace_substring(bodies, ",", ".")
    numbers = _cast(_without_plus(pc.replace_substring_regex(bodies, "[dD]", "e")))
    return np.full(len(cells), np.nan) if numbers is None else numbers


def times_of(cells: Any, form: str) -> Any:
    """Return cleaned cells as timestamps in seconds, null where they are missing or of another form."""
    import pyarrow as pa
    from pyarrow import compute as pc

    nothing = pa.scalar(None, pa.string())
    if form == ISO:
        cells = pc.if_else(pc.match_substring_regex(cells, _ISO_CELL), cells, nothing)
        cells = pc.replace_substring_regex(cells, r"(\.\d+)?Z?$", "")
        try:
            return pc.cast(cells, pa.timestamp("s"))
        except pa.ArrowInvalid:
            return pa.array([_iso(cell) for cell in cells.to_pylist()], pa.timestamp("s"))
    pattern = "".join(_DIRECTIVES.get(part, re.escape(part)) for part in re.split("(%.)", form))
    cells = pc.if_else(pc.match_substring_regex(cells, f"^{pattern}$"), cells, nothing)
    try:
        times = pc.strptime(cells, format=form, unit="s", error_is_null=True)
    except pa.ArrowInvalid:
        return pa.nulls(len(cells), pa.timestamp("s"))
    if "%d" not in form:
        return times
    days = pc.cast(pc.struct_field(pc.extract_regex(cells, f"^{pattern}$"), ["day"]), pa.int64())
    return pc.if_else(pc.equal(pc.day(times), days), times, pa.scalar(None, pa.timestamp("s")))


def _iso(cell: str | None) -> Any:
    from datetime import datetime

    try:
        return None if cell is None else datetime.fromisoformat(cell).replace(tzinfo=None)
    except ValueError:
        return None
