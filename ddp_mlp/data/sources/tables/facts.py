"""The facts about the cells of each column, learned block by block: first numbers or not, then how they are written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ddp_mlp.data.sources.column import PLAIN
from ddp_mlp.data.sources.tables.cells import (
    DATE_FORMATS,
    EXACT,
    NUMBER_FORMS,
    are_numbers,
    begin_with_zero,
    cleaned,
    different,
    matches,
    plain_numbers,
    times_of,
    undecorated,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Different values that are remembered of a feature.
MOST_VALUES = 100_000
#: Numbers that often stand for a missing value.
CODES = frozenset({sign * number for sign in (-1.0, 1.0) for number in (99.0, 999.0, 9999.0, 99999.0, 1e20, 1e30)})
#: Rows on average from where a column begins to count to where it does so again.
_FEWEST_COUNTED = 5


@dataclass
class NumberFacts:
    """A column as plain numbers, as long as it is one.

    Attributes
    ----------
    is_number : bool
        Whether each cell is a plain number or missing.
    n_rows, n_missing : int
        Cells, and how many of them hold nothing.
    missing_row, infinite_row, large_row : int or None
        The first of each kind; large are whole numbers written with digits that a float64 does not hold.
    low, high : float
        Range of the finite numbers.
    inner_low, inner_high : float
        The same without numbers of `CODES`.
    is_whole : bool
        Whether all are whole numbers.
    is_counting : bool
        Whether they are 0, 1, 2, ... or 1, 2, 3, ... in the order of rows, begun anew a few times at most.
    n_counts, last : int, float
        How often they begin with that, and the number of the last row.
    is_zero_led : bool
        Whether one is written as ``007``.
    """

    is_number: bool = True
    n_rows: int = 0
    n_missing: int = 0
    missing_row: int | None = None
    infinite_row: int | None = None
    large_row: int | None = None
    low: float = np.inf
    high: float = -np.inf
    inner_low: float = np.inf
    inner_high: float = -np.inf
    is_whole: bool = True
    is_counting: bool = True
    n_counts: int = 0
    last: float = np.nan
    is_zero_led: bool = False

    def learn(self, cells: Any) -> None:
        """Take in the next cells: text, or numbers of a column that had a fraction before."""
        start = self.n_rows
        self.n_rows += len(cells)
        if not self.is_number:
            return
        numbers = plain_numbers(cells)
        if numbers is None:
            self.is_number = False
            return
        missing = np.isnan(numbers)
        self.n_missing += int(missing.sum())
        self.missing_row = _first(self.missing_row, missing, start)
        finite = numbers[np.isfinite(numbers)]
        if finite.size + missing.sum() < numbers.size:
            self.infinite_row = _first(self.infinite_row, np.isinf(numbers), start)
        if not finite.size:
            return
        self._learn_range(finite)
        if self.is_whole and (finite == np.floor(finite)).all():
            self._learn_whole(cells, numbers, start)
        else:
            # Of fractions nobody expects all digits, nor a code that begins with 0.
            self.is_whole = self.is_counting = self.is_zero_led = False
            self.large_row = None

    def _learn_range(self, finite: NDArray[np.float64]) -> None:
        low, high = float(finite.min()), float(finite.max())
        self.low, self.high = min(self.low, low), max(self.high, high)
        if {low, high} & CODES:
            finite = finite[~np.isin(finite, list(CODES))]
            low, high = float(finite.min(initial=np.inf)), float(finite.max(initial=-np.inf))
        self.inner_low, self.inner_high = min(self.inner_low, low), max(self.inner_high, high)

    @property
    def code(self) -> float | None:
        """A number that others write for a missing value, if it lies apart from all other numbers of the column."""
        span = self.inner_high - self.inner_low
        if not np.isfinite(span):
            return None
        if self.low in CODES and (self.low < min(self.inner_low, 0) - span or self.low < 0 <= self.inner_low):
            return self.low
        return self.high if self.high in CODES and self.high > self.inner_high + span else None

    def _learn_whole(self, cells: Any, numbers: NDArray[np.float64], start: int) -> None:
        if are_numbers(cells):
            self.large_row = _first(self.large_row, np.abs(numbers) >= EXACT, start)
        elif max(abs(self.low), abs(self.high)) >= EXACT:
            large = matches(cleaned(cells), r"[+-]?\d{16,}")
            self.large_row = _first(self.large_row, large & (np.abs(numbers) >= EXACT), start)
        if self.is_counting:
            # Each of several files begins anew; what begins anew every few rows counts something else.
            first = self.low if start else numbers[0]
            begins = numbers == first
            goes_on = numbers == np.concatenate([[self.last], numbers[:-1]]) + 1
            self.n_counts += int(begins.sum())
            self.last = float(numbers[-1])
            counts_on = first in {0, 1} and bool((begins | goes_on).all())
            self.is_counting = counts_on and self.n_counts * _FEWEST_COUNTED <= max(
                start + len(numbers), _FEWEST_COUNTED
            )
        self.is_zero_led = self.is_zero_led or begin_with_zero(cells)


@dataclass
class TextFacts:
    """A column that is not plain numbers throughout.

    Attributes
    ----------
    n_rows, n_missing : int
        Cells, and how many of them hold nothing.
    missing_row : int or None
        The first that holds nothing.
    forms, dates : dict of str to int
        How many cells are of each form of numbers, without their decorations, and of each format of dates.
    n_grouped : int
        How many are numbers with a comma that may be a decimal sign or group thousands.
    decorations : set of str
        The currencies and units beside numbers.
    n_bare : int
        How many are plain numbers.
    bare_row, other_row : int or None
        The first plain number, and the first cell that is none.
    values : dict of str to int, or None
        How often each different cell occurs; None if there are more than `limit`.
    limit : int
        Different values that are remembered.
    """

    n_rows: int = 0
    n_missing: int = 0
    missing_row: int | None = None
    forms: dict[str, int] = field(default_factory=lambda: dict.fromkeys(NUMBER_FORMS, 0))
    dates: dict[str, int] = field(default_factory=lambda: dict.fromkeys(DATE_FORMATS, 0))
    n_grouped: int = 0
    decorations: set[str] = field(default_factory=set)
    n_bare: int = 0
    bare_row: int | None = None
    other_row: int | None = None
    values: dict[str, int] | None = field(default_factory=dict)
    limit: int = MOST_VALUES

    @property
    def n_filled(self) -> int:
        """Cells that are not missing."""
        return self.n_rows - self.n_missing

    def learn(self, cells: Any) -> None:
        """Take in the next cells; each different one is looked at once."""
        start, n_filled = self.n_rows, self.n_filled
        texts, codes = different(cells)
        counts = np.bincount(codes, minlength=len(texts))
        clean = cleaned(texts)
        missing = clean.is_null().to_numpy(zero_copy_only=False)
        bare = matches(clean, NUMBER_FORMS[PLAIN].pattern)
        self.n_rows += len(cells)
        self.n_missing += int(counts[missing].sum())
        self.n_bare += int(counts[bare].sum())
        self.missing_row = _first_of(self.missing_row, missing, codes, start)
        self.bare_row = _first_of(self.bare_row, bare, codes, start)
        self.other_row = _first_of(self.other_row, ~bare & ~missing, codes, start)
        self._learn_numbers(clean, counts)
        for form in self.dates:
            # Once one cell is of another format, the count cannot reach all any more.
            if self.dates[form] == n_filled:
                is_date = times_of(clean, form).is_valid().to_numpy(zero_copy_only=False)
                self.dates[form] += int(counts[is_date].sum())
        self._learn_values(clean, counts)

    def _learn_numbers(self, clean: Any, counts: NDArray[np.int64]) -> None:
        bodies, decorations = undecorated(clean)
        if not decorations:
            return
        self.decorations |= decorations
        for form, how in NUMBER_FORMS.items():
            self.forms[form] += int(counts[matches(bodies, how.pattern)].sum())
        self.n_grouped += int(counts[matches(bodies, r"[+-]?[1-9]\d{0,2},\d{3}")].sum())

    def _learn_values(self, clean: Any, counts: NDArray[np.int64]) -> None:
        if self.values is None:
            return
        for text, n in zip(clean.to_pylist(), counts.tolist(), strict=True):
            if text is not None:
                self.values[text] = self.values.get(text, 0) + n
        if len(self.values) > self.limit:
            self.values = None

    @property
    def is_boolean(self) -> bool:
        """Whether the cells are ``true`` and ``false``, or one of them."""
        found = {value.lower() for value in self.values or ()}
        return bool(found) and found <= {"false", "true"}


def _first(known: int | None, mask: NDArray[np.bool_], start: int) -> int | None:
    """Return the row that is known, or the first of a mask."""
    return known if known is not None or not mask.any() else start + int(mask.argmax())


def _first_of(known: int | None, mask: NDArray[np.bool_], codes: NDArray[np.int64], start: int) -> int | None:
    """Return the row that is known, or the first whose text is one of a mask."""
    return known if known is not None or not mask.any() else _first(None, mask[codes], start)
