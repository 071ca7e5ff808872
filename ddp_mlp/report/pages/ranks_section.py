"""The part of a page about ranks: the time of each by what it did, and those that the others wait for."""

from __future__ import annotations

import math
from statistics import median
from typing import Any

from ddp_mlp.comm.liveness.rank_times import KINDS
from ddp_mlp.report.pages.markup import Markup, element, shown, table
from ddp_mlp.report.records.record import Record

#: Kinds of time and their names, in the order in which they are drawn.
_NAMES = {f"{kind}_s": kind for kind in KINDS}
#: Ranks that are drawn; of more, those that compute longest.
_MOST_RANKS = 32
#: A straggler computes so many times as long as the median, while the others wait for such a part of their time, and
#: waits itself for no more than such a part of what the others do.
_LONGER, _WAITING, _OWN_WAIT = 1.1, 0.05, 0.5
#: Where ranks that work evenly wait for more than this part of their time, it is for cores.
_SHARED = 0.5
#: Seconds after which there were looks enough to say so.
_ENOUGH_S = 2.0
_WIDTH, _LEFT, _ROW = 420, 44, 18


def ranks_section(record: Record) -> list[Markup]:
    """Return the section about ranks; nothing where a run has had one, or has not told of them yet."""
    times = rank_times(record.status)
    if not times:
        return []
    order = sorted(range(len(times)), key=lambda rank: -times[rank]["compute_s"])[:_MOST_RANKS]
    drawn = sorted(order)
    few = f" Of {len(times)} ranks, those are drawn that compute longest." if len(times) > len(drawn) else ""
    text = (
        f"{straggling(times)} Seconds since the last start, by looks at each rank every 50 ms; waiting is for other "
        f"ranks, other is mostly saving.{few}"
    )
    lines = [[f"rank {rank}", *(one[key] for key in _NAMES)] for rank, one in enumerate(times)]
    listed = table(["rank", *_NAMES.values()], lines, caption="Seconds of each rank", sortable=True)
    figure = _figure({rank: times[rank] for rank in drawn})
    folded = element("details", element("summary", "All ranks in numbers"), listed)
    charts = element("div", figure, class_="charts")
    return [element("section", element("h2", "Ranks"), element("p", text), charts, folded)]


def rank_times(status: dict[str, Any]) -> list[dict[str, float]]:
    """Return the seconds of each rank by kind; empty where ``status.json`` has none, or no numbers."""
    given = status.get("ranks")
    found = [given.get(key) for key in _NAMES] if isinstance(given, dict) else []
    columns = [column for column in found if isinstance(column, list)]
    if len(columns) < len(_NAMES) or len(set(map(len, columns))) != 1:
        return []
    if not all(_is_time(value) for column in columns for value in column):
        return []
    return [dict(zip(_NAMES, map(float, row), strict=True)) for row in zip(*columns, strict=True)]


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def straggling(times: list[dict[str, float]]) -> str:
    """Return a sentence about ranks that the others wait for, or about how evenly they work."""
    if max(sum(one.values()) for one in times) < _ENOUGH_S:
        return "The run was too short, up to here, to tell whether any rank kept the others waiting."
    computing = [one["compute_s"] for one in times]
    middle, whole = median(computing), sum(sum(one.values()) for one in times)
    waiting = sum(one["wait_s"] for one in times) / whole if whole else 0.0
    least = _OWN_WAIT * max(one["wait_s"] for one in times)
    slow = [r for r, one in enumerate(times) if one["compute_s"] > _LONGER * middle and one["wait_s"] <= least]
    if slow and waiting > _WAITING:
        names = ", ".join(map(str, slow[:8])) + (", ..." if len(slow) > 8 else "")
        longer, one = max(computing) / (middle or 1.0), len(slow) == 1
        return (
            f"{'Rank' if one else 'Ranks'} {names} computed up to {longer:.2g} times as long as the median of "
            f"{shown(middle)} s, and others waited for {'it' if one else 'them'}: {100 * waiting:.0f} % of all time."
        )
    even = f"No rank kept the others waiting: they computed for {shown(min(computing))} to {shown(max(computing))} s."
    if waiting > _SHARED:
        part = f"{100 * waiting:.0f} % of all time"
        return f"{even} All of them waited, for {part}: other programs may have used their cores."
    return even


def _figure(times: dict[int, dict[str, float]]) -> Markup:
    """Return stacked bars, one line a rank."""
    longest = max(sum(one.values()) for one in times.values()) or 1.0
    scale = (_WIDTH - _LEFT - 8) / longest
    lines: list[Markup] = []
    for row, (rank, one) in enumerate(times.items()):
        y, x = row * _ROW + 3, float(_LEFT)
        lines.append(element("text", str(rank), x=_LEFT - 6, y=y + 12, text_anchor="end"))
        for place, (key, kind) in enumerate(_NAMES.items()):
            wide = one[key] * scale
            title = element("title", f"rank {rank}: {kind} {shown(one[key])} s")
            box = f"M{x:.1f} {y}h{wide:.1f}v{_ROW - 4}h{-wide:.1f}Z"
            lines.append(element("path", title, d=box, class_=f"bars s{place}"))
            x += wide
    name = "Seconds of each rank"
    svg = element("svg", *lines, viewBox=f"0 0 {_WIDTH} {len(times) * _ROW + 4}", role="img", aria_label=name)
    keys = [element("li", element("span", "\u25a0", class_=f"s{i}"), kind) for i, kind in enumerate(KINDS)]
    return element("figure", element("figcaption", name), svg, element("ul", *keys, class_="legend"), class_="picture")
