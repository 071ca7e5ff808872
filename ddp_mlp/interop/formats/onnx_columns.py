"""Columns of a table as inputs of a graph: text as it is, which the graph encodes.

A text that is none of the categories, and a missing value where none may be, make the answers of their row NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.data.schema import Missing, Schema
from ddp_mlp.data.sources.tables.cells import MISSING
from ddp_mlp.interop.formats.onnx_graph import Graph

_ABSENT, _UNKNOWN = -1, -2
#: Missing values as they are written: a graph cannot fold case.
_CASES = (str, str.upper, str.capitalize)
_ABSENT_TEXTS = tuple(dict.fromkeys([*(case(text) for text in MISSING for case in _CASES), "NaN", "None"]))


@dataclass(frozen=True)
class Cell:
    """One input, shape (rows, 1), and the features that it makes.

    Attributes
    ----------
    name : str
    features : tuple of str
        The last is 1 where the value is missing, if that `is_marked`.
    categories : tuple of str
        Of a text; empty for a number.
    is_ordinal, is_marked : bool
    missing : str
        As in the schema.
    """

    name: str
    features: tuple[str, ...]
    categories: tuple[str, ...] = ()
    is_ordinal: bool = False
    is_marked: bool = False
    missing: Missing = "impute"

    @property
    def is_text(self) -> bool:
        """Whether the input is text."""
        return bool(self.categories)


def cells_of(schema: Schema) -> tuple[Cell, ...]:
    """Return the inputs of a graph; none where there is no text, or names would be ambiguous: features go in as one."""
    if schema.feature_names is None or not any(column.kind == "category" for column in schema.columns):
        return ()
    cells: list[Cell] = []
    for column in schema.columns:
        is_marked = column.missing == "indicator" and column.features[-1] == f"{column.name}=missing"
        values = column.features[:-1] if is_marked else column.features
        if column.kind == "category" and column.categories:
            is_ordinal = column.how == "ordinal"
            if len(values) != (1 if is_ordinal else len(column.categories)):
                return ()
            cells.append(Cell(column.name, column.features, column.categories, is_ordinal, is_marked, column.missing))
        elif len(values) == 1:
            cells.append(Cell(column.name, column.features, is_marked=is_marked, missing=column.missing))
        else:  # parts of a date, which a graph cannot read
            cells += [Cell(feature, (feature,), missing=column.missing) for feature in column.features]
    made = [feature for cell in cells for feature in cell.features]
    cells += [Cell(feature, (feature,)) for feature in schema.feature_names if feature not in made]
    names = [cell.name for cell in cells]
    is_clear = len(set(names)) == len(names) and sorted(made) == sorted(set(made)) and "" not in names
    return tuple(cells) if is_clear else ()


def encode_cells(graph: Graph, cells: tuple[Cell, ...], schema: Schema) -> tuple[str, str]:
    """Add the encoding; return the features, float64 (rows, F), and what is NaN in rows that have no answer, else 0."""
    parts, strange = [], []
    for cell in cells:
        values, is_absent, stranger = _encode_text(graph, cell) if cell.is_text else _encode_number(graph, cell)
        parts += [values, graph.cast(is_absent, np.float64)] if cell.is_marked else [values]
        strange += [stranger] if stranger else []
    features = graph.add("Concat", *parts, axis=1)
    made = [feature for cell in cells for feature in cell.features]
    if (wanted := list(schema.feature_names or made)) != made:
        places = graph.constant([made.index(name) for name in wanted], np.int64)
        features = graph.add("Gather", features, places, axis=1)
    lost = graph.add("Sum", *strange) if len(strange) > 1 else "".join(strange)
    return features, lost


def _lost_where(graph: Graph, condition: str) -> str:
    return graph.add("Where", condition, graph.constant(np.nan, np.float64), graph.constant(0.0, np.float64))


def _encode_number(graph: Graph, cell: Cell) -> tuple[str, str, str]:
    is_absent = graph.add("IsNaN", cell.name)
    allowed = cell.missing in {"impute", "indicator"}
    return cell.name, is_absent, "" if allowed else _lost_where(graph, is_absent)


def _encode_text(graph: Graph, cell: Cell) -> tuple[str, str, str]:
    absent = [text for text in _ABSENT_TEXTS if text not in cell.categories]
    code = graph.add(
        "LabelEncoder", cell.name, domain="ai.onnx.ml", keys_strings=[*cell.categories, *absent],
        values_int64s=[*range(len(cell.categories)), *[_ABSENT] * len(absent)], default_int64=_UNKNOWN,
    )  # fmt: skip
    is_absent = graph.add("Equal", code, graph.constant(_ABSENT, np.int64))
    places = graph.constant(np.arange(len(cell.categories)), np.int64)
    known = code if cell.is_ordinal else graph.add("Equal", code, places)
    gap = graph.constant(np.nan, np.float64)
    values = graph.add("Where", is_absent, gap, graph.cast(known, np.float64))
    least = _UNKNOWN if cell.missing in {"impute", "indicator"} else _ABSENT
    is_strange = graph.add("Less", code, graph.constant(least + 1, np.int64))
    return values, is_absent, _lost_where(graph, is_strange)


def feeds_of(cells: tuple[Cell, ...], x: NDArray[np.float64], names: tuple[str, ...] = ()) -> dict[str, NDArray[Any]]:
    """Return inputs that make given features, shape (n, F), whose names are `names`; by default in the cells' order."""
    made = [feature for cell in cells for feature in cell.features]
    place = {name: i for i, name in enumerate(names or made)}
    feeds: dict[str, NDArray[Any]] = {}
    for cell in cells:
        values = x[:, [place[name] for name in (cell.features[:-1] if cell.is_marked else cell.features)]]
        is_gap = np.isnan(values).any(axis=1)
        if cell.is_text:
            codes = np.where(is_gap, 0, values[:, 0] if cell.is_ordinal else values.argmax(axis=1)).astype(np.int64)
            texts = np.where(is_gap, "", np.array(cell.categories)[codes])
            feeds[cell.name] = texts.astype(object)[:, None]
        else:
            feeds[cell.name] = np.ascontiguousarray(values)
    return feeds
