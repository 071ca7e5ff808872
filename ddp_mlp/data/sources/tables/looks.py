"""The first reading of a table: all facts about its columns, in one pass where that is possible."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ddp_mlp.data.sources.column import PLAIN
from ddp_mlp.data.sources.tables.cells import NUMBER_FORMS
from ddp_mlp.data.sources.tables.facts import MOST_VALUES, NumberFacts, TextFacts
from ddp_mlp.data.sources.tables.forms import Ambiguous, clear_signs, decimal_sign, form_of, full_forms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ddp_mlp.data.sources.tables.table import Table


@dataclass(frozen=True)
class Looks:
    """All that was learned about the cells of the columns that are used.

    Attributes
    ----------
    numbers, texts : dict of str to facts
        The latter for those columns whose text matters.
    """

    numbers: Mapping[str, NumberFacts]
    texts: Mapping[str, TextFacts]

    def shown_decimal(self) -> str | None:
        """Return the decimal sign that the table shows."""
        return decimal_sign(self.numbers, [f for name, f in self.texts.items() if not self.numbers[name].is_number])

    def form_like(self, name: str, known: str, decimal: str | None) -> str | Ambiguous | None:
        """Return how the numbers of a column are written that another table had in the form `known`.

        That form decides where cells are of it and of others, unless other columns speak against its decimal sign.
        """
        facts = self.texts[name]
        if known in NUMBER_FORMS and known != PLAIN and known in full_forms(facts, decimal):
            signs = {decimal} if decimal else clear_signs(self.numbers, self.texts)
            if not signs or ("," if NUMBER_FORMS[known].comma else ".") in signs:
                return known
        return form_of(facts, decimal, self.shown_decimal())


def look(table: Table, names: Sequence[str], texts: Mapping[str, int]) -> Looks:
    """Read columns: all of them as numbers, as text those that are none.

    Parameters
    ----------
    table : Table
    names : sequence of str
        The columns, all different.
    texts : dict of str to int
        Those whose text matters also where they are numbers, with how many different values to remember.
    """
    places = table.positions(names)
    numbers = {name: NumberFacts() for name in names}
    known = {name: TextFacts(limit=limit) for name, limit in texts.items()}
    quick = [place for place in _fractions(table, places) if table.names[place] not in texts]
    for block in table.cells(places, quick) if names else ():
        for name, cells in zip(names, block, strict=True):
            is_first = numbers[name].n_rows == 0
            numbers[name].learn(cells)
            if is_first and not numbers[name].is_number:
                known.setdefault(name, TextFacts())
            if name in known:
                known[name].learn(cells)
    # A column whose first text comes far down is read again.
    late = [name for name in names if not numbers[name].is_number and name not in known]
    return Looks(numbers, {**known, **look_at_texts(table, dict.fromkeys(late, MOST_VALUES))})


def _fractions(table: Table, places: Sequence[int]) -> list[int]:
    """Return the positions of columns that hold numbers with fractions, as far as the first block tells."""
    block = next(table.cells(places), []) if places else []
    found = []
    for place, cells in zip(places, block, strict=False):
        facts = NumberFacts()
        facts.learn(cells)
        if facts.is_number and not facts.is_whole:
            found.append(place)
    return found


def look_at_texts(table: Table, limits: Mapping[str, int]) -> dict[str, TextFacts]:
    """Read columns as text; `limits` says how many different values of each to remember."""
    facts = {name: TextFacts(limit=limit) for name, limit in limits.items()}
    for block in table.cells(table.positions(list(limits))) if limits else ():
        for known, cells in zip(facts.values(), block, strict=True):
            known.learn(cells)
    return facts


def cells_at(table: Table, wanted: Sequence[tuple[str, int]]) -> dict[tuple[str, int], str]:
    """Return single cells, as (column, row), as they are written."""
    found: dict[tuple[str, int], str] = {}
    names = list(dict.fromkeys(name for name, _ in wanted))
    last = max((row for _, row in wanted), default=-1)
    start = 0
    for block in table.blocks(table.positions(names)):
        for name, row in wanted:
            if start <= row < start + len(block[0]):
                found[name, row] = block[names.index(name)][row - start].as_py() or ""
        start += len(block[0])
        if start > last:
            break
    return found
