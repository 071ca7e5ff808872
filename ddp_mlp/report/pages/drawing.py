"""Small pictures of points, lines and bars as SVG, in the colours of the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.report.pages.markup import Markup, element, escaped, in_short, told_apart

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP, _RIGHT = 420, 300, 62, 44, 12, 12
_COLOURS = 8
#: Numbers of an axis that are so many steps from 0 are counted from the first of them on.
_FAR = 1e5
#: Points of a scatter that are drawn; more would only cover each other.
MOST_POINTS = 2000


class Shape(NamedTuple):
    """A line, a cloud of points or a row of bars.

    Attributes
    ----------
    kind : str
        "line", "points", "bars" (x has one edge more than y), or "guide" for a line to compare with.
    """

    kind: str
    label: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]


class Picture(NamedTuple):
    """A figure with axes, as the page and files of figures show it."""

    title: str
    x_label: str
    y_label: str
    shapes: tuple[Shape, ...]


def picture(title: str, x_label: str, y_label: str, shapes: Sequence[Shape]) -> Markup:
    """Return a figure with axes, shapes, and a legend where there is more than one."""
    (x0, x1), (y0, y1) = (_limits([getattr(shape, axis) for shape in shapes]) for axis in "xy")
    y0 = min(0.0, y0) if any(shape.kind == "bars" for shape in shapes) else y0
    wide, high = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _BOTTOM - _TOP

    def place(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        columns = _LEFT + wide * (x - x0) / (x1 - x0), _TOP + high * (1 - (y - y0) / (y1 - y0))
        pairs: NDArray[np.float64] = np.stack(columns, axis=1)
        return pairs.round(1)

    across, x_from = _ticks(x0, x1)
    along, y_from = _ticks(y0, y1)
    axes = [_axis_x(text, f"{_LEFT + wide * (v - x0) / (x1 - x0):.1f}") for v, text in across]
    axes += [_axis_y(text, f"{_TOP + high * (1 - (v - y0) / (y1 - y0)):.1f}") for v, text in along]
    names = _text(_LEFT + wide / 2, _HEIGHT - 6, x_label + x_from, "middle"), _side(y_label + y_from, _TOP + high / 2)
    coloured = [shape for shape in shapes if shape.kind != "guide"]
    drawn = [_drawn(shape, coloured.index(shape) if shape in coloured else -1, place) for shape in shapes]
    svg = element("svg", *axes, *names, *drawn, viewBox=f"0 0 {_WIDTH} {_HEIGHT}", role="img", aria_label=title)
    items = [element("li", _key(shape, i), shape.label) for i, shape in enumerate(coloured)]
    legend = [element("ul", *items, class_="legend")] if len(coloured) > 1 else []
    return element("figure", element("figcaption", title), svg, *legend, class_="picture")


def _key(shape: Shape, number: int) -> Markup:
    """Return the mark before a name in a legend: a piece of its line, or a square."""
    kind = f"s{number % _COLOURS}"
    if shape.kind != "line":
        return element("span", "\u25a0", class_=kind)
    return element("svg", element("path", d="M0 5H26", class_=f"line {kind}"), viewBox="0 0 26 10", aria_hidden="true")


def _limits(parts: Sequence[NDArray[np.float64]]) -> tuple[float, float]:
    values = np.concatenate(parts)
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    return (low, high) if high > low else (low - max(0.5, abs(low) / 2), high + max(0.5, abs(high) / 2))


def _ticks(low: float, high: float) -> tuple[list[tuple[float, str]], str]:
    """Return some four round numbers from low to high, how they are written, and from where on they are counted."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = float(power * min((m for m in (1, 2, 5, 10) if m * power >= rough), default=10))
    ticks = [i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1)]
    if ticks and max(map(abs, ticks)) >= _FAR * step:  # so many digits have no room
        return [(v, in_short([v - ticks[0]], step)[0]) for v in ticks], f", from {told_apart(ticks[0], step)} on"
    return list(zip(ticks, in_short(ticks, step), strict=True)), ""


def _drawn(shape: Shape, number: int, place: object) -> Markup:
    assert callable(place)  # noqa: S101
    kind = f"s{number % _COLOURS}" if number >= 0 else "guide"
    if shape.kind == "bars":
        low, high = place(shape.x[:-1], np.zeros(len(shape.y))), place(shape.x[1:], shape.y)
        rects = (f"M{a} {b}V{d}H{c}V{b}" for (a, b), (c, d) in zip(low, high, strict=True))
        return element("path", d="".join(rects), class_=f"bars {kind}")
    good = np.isfinite(shape.x) & np.isfinite(shape.y)
    points = place(shape.x[good], shape.y[good])
    if shape.kind == "points":
        return element("path", d="".join(f"M{x} {y}h0" for x, y in points), class_=f"points {kind}")
    return element("path", d="M" + "L".join(f"{x} {y}" for x, y in points), class_=f"line {kind}")


def _axis_x(text: str, x: str) -> Markup:
    line = element("path", d=f"M{x} {_TOP}V{_HEIGHT - _BOTTOM}", class_="grid")
    return Markup(line + _text(x, _HEIGHT - _BOTTOM + 15, text, "middle"))


def _axis_y(text: str, y: str) -> Markup:
    line = element("path", d=f"M{_LEFT} {y}H{_WIDTH - _RIGHT}", class_="grid")
    return Markup(line + _text(_LEFT - 5, float(y) + 4, text, "end"))


def _text(x: object, y: object, text: str, anchor: str) -> Markup:
    return element("text", text, x=x, y=y, text_anchor=anchor)


def _side(text: str, y: float) -> Markup:
    return Markup(f'<text transform="translate(12 {y:.0f}) rotate(-90)" text-anchor="middle">{escaped(text)}</text>')
