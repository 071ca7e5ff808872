"""Bars with names, and grids of shades, as SVG in the colours of the page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.report.pages.markup import Markup, element, shown

_WIDTH, _LEFT, _RIGHT, _ROW, _LETTERS = 420, 130, 60, 20, 18
_CELL = 40


def ranking(title: str, names: Sequence[str], values: Sequence[float], spreads: Sequence[float] = ()) -> Markup:
    """Return a figure of horizontal bars, one a line, with its name before and its value behind it.

    Parameters
    ----------
    values : sequence of float
        Bars begin at 0, and at the lowest value where that is negative.
    spreads : sequence of float
        Drawn as a line of twice its length around the end of each bar, if given.
    """
    low, high = min(0.0, *values, 0.0), max(*values, 0.0, 0.0)
    scale = (_WIDTH - _LEFT - _RIGHT) / ((high - low) or 1.0)
    lines = [
        _bar(i, name, value, spreads[i] if spreads else 0.0, low, scale)
        for i, (name, value) in enumerate(zip(names, values, strict=True))
    ]
    height = _ROW * max(1, len(lines)) + 6
    svg = element("svg", *lines, viewBox=f"0 0 {_WIDTH} {height}", role="img", aria_label=title)
    return element("figure", element("figcaption", title), svg, class_="picture")


def _bar(row: int, name: str, value: float, spread: float, low: float, scale: float) -> Markup:
    zero, end, middle = _LEFT - low * scale, _LEFT + (value - low) * scale, _ROW * row + _ROW / 2 + 3
    first, last = sorted((zero, end))
    short = name if len(name) <= _LETTERS else name[: _LETTERS - 1] + "\u2026"
    box = f"M{first:.1f} {middle - 6:.1f}H{max(last, first + 0.5):.1f}V{middle + 6:.1f}H{first:.1f}Z"
    text_at = {"y": f"{middle + 4:.1f}"}
    line = [element("path", d=f"M{end - spread * scale:.1f} {middle:.1f}h{2 * spread * scale:.1f}", class_="error")]
    return element(
        "g",
        element("title", f"{name}: {shown(value)}"),
        element("text", short, x=_LEFT - 6, text_anchor="end", **text_at),
        element("path", d=box, class_="bars s0"),
        *(line if spread > 0 else []),
        element("text", shown(float(f"{value:.3g}")), x=f"{last + spread * scale + 5:.1f}", **text_at),
    )


def shades(title: str, values: NDArray[np.float64], names: Sequence[str]) -> Markup:
    """Return a figure of a grid whose cells are the darker the higher their value.

    Parameters
    ----------
    values : ndarray of shape (rows, columns)
    names : sequence of str
        Of the cells, row by row, for who points at them.
    """
    top = float(values.max()) or 1.0
    n_rows, n_columns = values.shape
    cells = []
    for place, (name, value) in enumerate(zip(names, values.ravel().tolist(), strict=True)):
        row, column = divmod(place, n_columns)
        box = f"M{column * _CELL} {row * _CELL}h{_CELL}v{_CELL}h-{_CELL}Z"
        path = element("path", element("title", f"{name}: {shown(value)}"), d=box, class_="shade s0",
                       fill_opacity=f"{max(0.0, value / top):.3f}")  # fmt: skip
        cells.append(path)
    svg = element(
        "svg", *cells, viewBox=f"0 0 {n_columns * _CELL} {n_rows * _CELL}", role="img", aria_label=title, class_="grid"
    )
    return element("figure", element("figcaption", title), svg, class_="picture")
