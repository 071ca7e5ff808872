"""Parallel coordinates as SVG: a line for each trial, through its setting on each axis to its score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ddp_mlp.report.pages.markup import Markup, element, in_digits, shown

_AXIS, _HEIGHT, _TOP, _BOTTOM, _SIDE = 180, 320, 34, 14, 70
#: Half the length of the dash of a point between two gaps.
_DASH = 5
#: Height of a line of text.
_LINE = 14
#: Texts beside an axis, and letters of one.
_MOST_TEXTS, _LETTERS = 9, 14
#: An axis is logarithmic where its values are positive and the highest is so many times the lowest.
_LOG_FROM = 50.0


def parallel_coordinates(title: str, names: Sequence[str], rows: Sequence[tuple[str, Sequence[Any]]]) -> Markup:
    """Return a figure; the first row is the best and stands out, later ones are the paler the further down they are.

    Parameters
    ----------
    names : sequence of str
        Of the axes.
    rows : sequence of (str, sequence)
        Name of each trial, and its value on each axis; a line is interrupted where there is none.
    """
    axes = [places([row[1][i] for row in rows]) for i in range(len(names))]
    width = 2 * _SIDE + _AXIS * (len(names) - 1)
    parts: list[Markup] = []
    for rank in reversed(range(len(rows))):  # the best is drawn last, above all others
        name, values = rows[rank]
        pieces = _pieces([axis[0][rank] for axis in axes])
        said = ", ".join(f"{key} {shown(value)}" for key, value in zip(names, values, strict=True))
        kind = "thread best" if rank == 0 else "thread"
        pale = f"{0.75 - 0.6 * rank / max(1, len(rows) - 1):.2f}" if rank else "1"
        path = element("path", element("title", f"{name}: {said}"), d=pieces, class_=kind, opacity=pale)
        parts += [path] if pieces else []
    parts += [_axis(_SIDE + _AXIS * i, name, axes[i][1]) for i, name in enumerate(names)]  # texts above the lines
    svg = element("svg", *parts, viewBox=f"0 0 {width} {_HEIGHT}", role="img", aria_label=title, width=width)
    box = element("div", svg, class_="wide", tabindex=0, role="region", aria_label=title)
    return element("figure", element("figcaption", title), box, class_="picture threads")


def _pieces(heights: Sequence[float | None]) -> str:
    """Return the path of a line, interrupted at axes on which a trial has no value; a lone point is a short dash."""
    path = ""
    for i, height in enumerate(heights):
        if height is None:
            continue
        x, y = _SIDE + _AXIS * i, f"{_height(height):.1f}"
        before, after = (0 <= k < len(heights) and heights[k] is not None for k in (i - 1, i + 1))
        path += f"L{x} {y}" if before else f"M{x} {y}" if after else f"M{x - _DASH} {y}h{2 * _DASH}"
    return path


def places(values: Sequence[Any]) -> tuple[list[float | None], list[tuple[float, str]]]:
    """Return the part of an axis at which each value lies, 0 to 1, and the texts beside the axis with theirs."""
    numbers = [float(v) for v in values if _is_number(v)]
    if numbers and all(v is None or _is_number(v) for v in values):
        low, high = min(numbers), max(numbers)
        is_log = low > 0 and high / low >= _LOG_FROM
        scale = math.log if is_log else float
        span = (scale(high) - scale(low)) or 1.0
        distinct = sorted(set(numbers))
        texts = distinct if len(distinct) <= _MOST_TEXTS else [low, *_between(low, high, is_log=is_log), high]
        if texts is not distinct and all(v.is_integer() for v in numbers):
            texts = [float(round(v)) for v in texts]
        heights = [None if v is None else (scale(float(v)) - scale(low)) / span for v in values]
        at = [(scale(v) - scale(low)) / span for v in texts]
        return heights, list(zip(at, _numbers(texts, 5 if texts is distinct else 3), strict=True))
    words = sorted({shown(v) for v in values if v is not None})
    place = {word: i / max(1, len(words) - 1) for i, word in enumerate(words)}
    step = -(-len(words) // _MOST_TEXTS)
    return [None if v is None else place[shown(v)] for v in values], [(place[w], w) for w in words[::step]]


def _numbers(values: Sequence[float], digits: int) -> list[str]:
    """Return numbers in so many digits, or as many more as tell them apart; whole ones in all of theirs."""
    for enough in range(digits, 18):
        rounded = [v if v.is_integer() else float(f"{v:.{enough}g}") for v in values]
        pairs = list(zip(values, rounded, strict=True))
        texts = [shown(int(v)) if v.is_integer() else in_digits(v, max(5, enough)) for v in rounded]
        if len(set(texts)) == len(values) and not any(b.is_integer() > a.is_integer() for a, b in pairs):
            break
    return texts


def _between(low: float, high: float, *, is_log: bool) -> list[float]:
    parts = [i / 4 for i in (1, 2, 3)]
    return [low * (high / low) ** p if is_log else low + (high - low) * p for p in parts]


def apart(texts: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    """Return the texts beside an axis that do not cover each other, those of its ends before all others."""
    kept: list[tuple[float, str]] = []
    for place, text in sorted(texts, key=lambda one: min(one[0], 1 - one[0])):
        if all(abs(_height(place) - _height(other)) >= _LINE for other, _ in kept):
            kept.append((place, text))
    return sorted(kept)


def head_of(key: str) -> str:
    """Return the words above the axis of a setting.

    Examples
    --------
    >>> head_of("optimizer.name"), head_of("train.global_batch_size")
    ('optimizer', 'global batch size')
    """
    return key.removesuffix(".name").rpartition(".")[2].replace("_", " ")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _height(part: float) -> float:
    return _HEIGHT - _BOTTOM - part * (_HEIGHT - _BOTTOM - _TOP)


def _axis(x: float, name: str, texts: Sequence[tuple[float, str]]) -> Markup:
    line = element("path", d=f"M{x} {_TOP}V{_HEIGHT - _BOTTOM}", class_="guide")
    head = element("text", element("title", name), head_of(name), x=x, y=18, text_anchor="middle", class_="head")
    short = [(y, text if len(text) <= _LETTERS else text[: _LETTERS - 1] + "\u2026") for y, text in texts]
    marks = [element("text", text, x=x + 5, y=f"{_height(y) + 4:.1f}") for y, text in apart(short)]
    return element("g", line, head, *marks)
