"""The part of a report that needs the data of a run: answers, which features matter, how healthy the data are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ddp_mlp.checkpoint.model import load_model
from ddp_mlp.errors import DdpMlpError
from ddp_mlp.report.answer_page import answer_section
from ddp_mlp.report.answers import AnswerSheet, answer, answer_unasked
from ddp_mlp.report.health_page import health_section, importance_section
from ddp_mlp.report.importance import Importance, importance_of
from ddp_mlp.report.markup import Markup, element, joined
from ddp_mlp.report.record import Record
from ddp_mlp.report.samples import Sample, samples_of


@dataclass(frozen=True, eq=False)
class Findings:
    """The findings about a run and its data.

    Attributes
    ----------
    answers : AnswerSheet or None
    importance : Importance or None
    samples : tuple of Sample
        Empty where the data were not looked at.
    reason : str
        Why a part is missing; empty for none.
    """

    answers: AnswerSheet | None = None
    importance: Importance | None = None
    samples: tuple[Sample, ...] = ()
    reason: str = ""

    def sections(self) -> Markup:
        """Return the sections of a page."""
        parts = [] if self.answers is None else [answer_section(self.answers)]
        parts += [] if self.importance is None else [importance_section(self.importance)]
        if self.answers is not None and self.samples:
            parts.append(health_section(self.answers.schema, self.samples))
        return joined([*parts, *([element("p", self.reason, class_="hint")] if self.reason else [])])


def findings_on(record: Record, data: str, split: str | None, tell: Callable[[str], None]) -> Findings:
    """Return the answers of a run's model to rows that a user names; parameters and errors as those of `answer`."""
    return Findings(answer(record, data, split, tell))


def findings_unasked(record: Record) -> Findings:
    """Return the answers to the rows that validated, importance and health, where they are cheap; else the reason."""
    found = answer_unasked(record)
    if isinstance(found, str):
        return Findings(reason=found)
    try:
        model = load_model(record.path)
        samples = tuple(samples_of(model, str(record.setting("data", "train"))))
    except DdpMlpError as error:
        return Findings(found, reason=f"The data are not shown: {error}")
    judged = next((s for name in ("valid", "test", "train") for s in samples if s.name == name), samples[0])
    return replace(Findings(found, samples=samples), importance=importance_of(model, judged))
