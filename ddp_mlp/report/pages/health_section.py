"""The parts of a page about the data: their health, and which features matter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ddp_mlp.data.schema import Schema
from ddp_mlp.report.findings.health import FeatureHealth, health_of
from ddp_mlp.report.findings.importance import Importance, ordered
from ddp_mlp.report.findings.samples import Sample
from ddp_mlp.report.pages.bars import ranking, shades
from ddp_mlp.report.pages.markup import Cell, Markup, element, exact, shown, table

#: Features in the table, classes in that of targets, and bars.
_MOST_FEATURES, _MOST_CLASSES, _MOST_BARS = 40, 30, 20


def health_section(schema: Schema, samples: Sequence[Sample]) -> Markup:
    """Return the section about the ranges, gaps and drift of features, and about targets split by split."""
    found = health_of(schema, samples)
    rows = ", ".join(f"{shown(sample.n_rows)} {sample.name}" for sample in samples)
    looked = ", ".join(shown(len(sample.features)) for sample in samples)
    text = f"{rows} rows, of which {looked} were looked at: {_summary(found)}."
    targets = _targets(schema, samples) if samples[0].targets.shape[1] else []
    tables = element("div", _features(found, [s.name for s in samples[1:]]), *targets, class_="tables")
    return element("section", element("h2", "Data"), element("p", text), tables)


def _summary(found: Sequence[FeatureHealth]) -> str:
    counts = {
        "constant": sum("constant" in one.remarks for one in found),
        "with missing values": sum(one.missing > 0 for one in found),
        "with drift": sum(any("drifts" in remark for remark in one.remarks) for one in found),
        "far beyond the range of training": sum(any("beyond" in remark for remark in one.remarks) for one in found),
    }
    said = [f"{shown(count)} {what}" for what, count in counts.items() if count]
    features = "feature" if len(found) == 1 else "features"
    return f"{shown(len(found))} {features}, {', '.join(said) or 'none constant, missing or drifting'}"


def _features(found: Sequence[FeatureHealth], others: Sequence[str]) -> Markup:
    """Return the table of features, those with remarks first where there are too many for all."""
    chosen = sorted(found, key=_remarkable)[:_MOST_FEATURES] if len(found) > _MOST_FEATURES else found
    lines = [
        [
            one.name, *_told(one.low, one.high, one.mean, step=one.spread), one.spread,
            Cell(f"{100 * one.missing:.3g} %", one.missing),
            *(one.drift.get(other) for other in others), ", ".join(one.remarks),
        ]
        for one in chosen
    ]  # fmt: skip
    drifts = [f"drift to {other}" for other in others]
    header = ["feature", "lowest", "highest", "mean", "spread", "missing", *drifts, "remarks"]
    few = f" ({len(chosen)} of {shown(len(found))}, the most remarkable ones)" if len(chosen) < len(found) else ""
    return table(header, lines, caption=f"Features{few}; drift is 0 for none to 1 for all", sortable=True)


def _remarkable(one: FeatureHealth) -> tuple[bool, bool, float, float]:
    other = [remark for remark in one.remarks if remark != "constant"]
    return not other, not one.remarks, -one.missing, -max(one.drift.values(), default=0.0)


def _told(*values: float | None, step: float) -> list[Cell | None]:
    """Return numbers in digits that tell apart values of so small a spread."""
    return [None if v is None else exact(float(v), step) for v in values]


def _targets(schema: Schema, samples: Sequence[Sample]) -> list[Markup]:
    if schema.classes is None:
        lines = [
            [name, s.name, *_told(v.min(), v.max(), v.mean(), step=float(v.std())), float(v.std())]
            for i, name in enumerate(schema.targets[:_MOST_CLASSES])
            for s in samples
            for v in [s.targets[:, i]]
        ]
        header = ["target", "rows", "lowest", "highest", "mean", "spread"]
        return [table(header, lines, caption="Targets", sortable=True)]
    if len(schema.classes) > _MOST_CLASSES:
        return []
    counts = [np.bincount(s.targets[:, 0].astype(np.int64), minlength=len(schema.classes)) for s in samples]
    parts = [count / max(1, count.sum()) for count in counts]
    lines = [
        [name, *(Cell(f"{100 * part[i]:.3g} %", float(part[i])) for part in parts)]
        for i, name in enumerate(schema.classes)
    ]
    header = ["class", *(f"of {s.name}" for s in samples)]
    return [table(header, lines, caption="Classes: their part of the rows", sortable=True)]


def importance_section(found: Importance) -> Markup:
    """Return the section about which features the answers depend on."""
    left = f" {shown(found.n_left_out)} others, which weigh less in the first layer, were not measured." * bool(
        found.n_left_out
    )
    text = (
        f"How much the loss rises where one of them is shuffled among {shown(found.n_rows)} rows of {found.where}, so "
        f"that it tells nothing any more; mean and spread of {found.rise.shape[1]} shuffles.{left} Of features that "
        "tell the same, each seems to matter little."
    )
    lines = list(ordered(found))
    if found.grid:
        figure = shades("Importance of the parts of an image", found.rise.mean(axis=1).reshape(found.grid), found.names)
    else:
        top = lines[:_MOST_BARS]
        names, values, spreads = zip(*top, strict=True)
        figure = ranking("Importance of features", names, values, spreads)
    listed = table(["feature", "loss rises by", "spread"], lines, caption="Importance", sortable=True)
    folded = element("details", element("summary", "All of them in numbers"), listed)
    return element(
        "section", element("h2", "Importance"), element("p", text), element("div", figure, class_="charts"), folded
    )
