"""The sections of a page that need the data of a run."""

from __future__ import annotations

from ddp_mlp.report.findings.gathering import Findings
from ddp_mlp.report.pages.answer_section import answer_section
from ddp_mlp.report.pages.health_section import health_section, importance_section
from ddp_mlp.report.pages.markup import Markup, element, joined
from ddp_mlp.report.pages.spread_section import spread_section


def data_sections(found: Findings) -> Markup:
    """Return the sections about answers, importance and health; the reason where one is missing."""
    parts = [] if found.answers is None else [answer_section(found.answers)]
    parts = [spread_section(found.answers), *parts] if found.answers is not None and found.answers.spread else parts
    parts += [] if found.importance is None else [importance_section(found.importance)]
    if found.answers is not None and found.samples:
        parts.append(health_section(found.answers.schema, found.samples))
    return joined([*parts, *([element("p", found.reason, class_="hint")] if found.reason else [])])
