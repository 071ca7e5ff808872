"""Gathering the findings that need the data of a run: answers, which features matter, how healthy the data are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ddp_mlp.checkpoint.model import load_model
from ddp_mlp.errors import DdpMlpError
from ddp_mlp.report.findings.answers import AnswerSheet, answer, answer_unasked
from ddp_mlp.report.findings.importance import Importance, importance_of
from ddp_mlp.report.findings.samples import Sample, samples_of
from ddp_mlp.report.records.record import Record


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
