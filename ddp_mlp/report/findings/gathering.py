"""Gathering the findings that need the data of a run: answers, which features matter, how healthy the data are."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from msgspec.structs import replace

from ddp_mlp.checkpoint.model import Model, load_model
from ddp_mlp.comm import SingleProcess
from ddp_mlp.config import DataConfig
from ddp_mlp.config.values import IN_MEMORY
from ddp_mlp.core.kernels.numba_ext.cache import read_code
from ddp_mlp.engine.compilation import ready_kernels
from ddp_mlp.errors import DdpMlpError
from ddp_mlp.report.findings.answers import AnswerSheet, answer, own_answers
from ddp_mlp.report.findings.importance import Importance, importance_of
from ddp_mlp.report.findings.samples import Sample, samples_of
from ddp_mlp.report.records.record import Record
from ddp_mlp.training.inputs.own_rows import open_own

#: Bytes of files whose content is compared with that of the training.
_COMPARED_BYTES = 2**28
_NOT_SHOWN = "Answers, importance and the health of the data are not shown"
_NOT_COMPARED = "The files are large, so whether their content is still that of the training was not looked at."


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
    """Return the answers to the rows that validated, importance and health, where they are cheap; else the reason.

    They are where the run is over, its data are still there, and kernels need no compiling.
    """
    if record.state == "running" or record.schema is None:
        return Findings()
    try:
        with ExitStack() as stack:
            return _own_findings(load_model(record.path), record, stack)
    except DdpMlpError as error:
        return Findings(reason=f"{_NOT_SHOWN}: {error}")


def _own_findings(model: Model, record: Record, stack: ExitStack) -> Findings:
    data = model.config.data
    newest = {key: path for key in ("train", "valid") if isinstance(path := record.setting("data", key), str)}
    data = replace(data, **newest)
    if data.train == IN_MEMORY:
        return Findings(reason=f"{_NOT_SHOWN}: the rows were in memory, and are gone; name a file of them with --data")
    if read_code(model.parameters.dtype.name) is None:
        return Findings(reason=f"{_NOT_SHOWN}: the kernels are not compiled here (ddp-mlp compile does it)")
    ready_kernels(model.parameters.dtype.name, SingleProcess(), lambda _: None)
    own = open_own(model, data, stack, _COMPARED_BYTES)
    if own.is_same is False:
        return Findings(reason=f"{_NOT_SHOWN}: {_files(data)} is not the file that the model was trained on any more")
    answers, samples = own_answers(model, own), tuple(samples_of(own))
    judged = next(sample for name in ("valid", "test", "train") for sample in samples if sample.name == name)
    reason = _NOT_COMPARED if own.is_same is None else ""
    return Findings(answers, importance_of(model, judged), samples, reason)


def _files(data: DataConfig) -> str:
    return data.train if data.valid is None else f"{data.train} or {data.valid}"
