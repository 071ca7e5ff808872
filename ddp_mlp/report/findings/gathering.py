"""Gathering the findings that need the data of a run: answers, which features matter, how healthy the data are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from ddp_mlp.checkpoint.ensemble import Ensemble, load_ensemble, members_of
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
    return Findings(answer(record.path, data, split, tell))


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


def findings_of_ensemble(
    directory: Path, records: Sequence[Record], data: str | None, split: str | None, tell: Callable[[str], None]
) -> Findings:
    """Return the answers of an ensemble to rows that a user names, or to those that validated it, and their health.

    Parameters
    ----------
    records : sequence of Record
        Of its members.
    data, split, tell
        As of `answer`; without `data` the reason is told where there are no answers.

    Raises
    ------
    MissingInputError, DataError, UsageError
        As `answer`.
    """
    if data is not None:
        return Findings(answer(directory, data, split, tell))
    if any(record.state == "running" for record in records):
        return Findings(reason="Mean and spread are shown when all members are trained.")
    try:
        ensemble = load_ensemble(directory)
        if len({repr(model.config.data) for model in ensemble.members}) > 1:
            return Findings(reason=f"{_NOT_SHOWN}: members have data of their own; name a file of rows with --data")
        with ExitStack() as stack:
            return _own_findings(ensemble, records[0], stack)
    except DdpMlpError as error:
        return Findings(reason=f"{_NOT_SHOWN}: {error}")


def _own_findings(trained: Model | Ensemble, record: Record, stack: ExitStack) -> Findings:
    members = members_of(trained)
    model = members[0]
    data = model.config.data
    newest = {key: path for key in ("train", "valid") if isinstance(path := record.setting("data", key), str)}
    data = replace(data, **newest)
    if data.train == IN_MEMORY:
        return Findings(reason=f"{_NOT_SHOWN}: the rows were in memory, and are gone; name a file of them with --data")
    for dtype in {each.parameters.dtype.name for each in members}:
        if read_code(dtype) is None:
            return Findings(reason=f"{_NOT_SHOWN}: the kernels are not compiled here (ddp-mlp compile does it)")
        ready_kernels(dtype, SingleProcess(), lambda _: None)
    own = open_own(model, data, stack, _COMPARED_BYTES)
    if own.is_same is False:
        return Findings(reason=f"{_NOT_SHOWN}: {_files(data)} is not the file that the model was trained on any more")
    answers, samples = own_answers(trained, own), tuple(samples_of(own))
    judged = next(sample for name in ("valid", "test", "train") for sample in samples if sample.name == name)
    reason = _NOT_COMPARED if own.is_same is None else ""
    importance = None if isinstance(trained, Ensemble) else importance_of(trained, judged)
    return Findings(answers, importance, samples, reason)


def _files(data: DataConfig) -> str:
    return data.train if data.valid is None else f"{data.train} or {data.valid}"
