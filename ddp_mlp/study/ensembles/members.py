"""The members of an ensemble: runs that differ in their seeds, and the list of them, which is kept while they train."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ddp_mlp.catalog.losses import LOSSES
from ddp_mlp.checkpoint.checkpoint import newest_good
from ddp_mlp.checkpoint.ensemble import Listed, answers_sha256, misfit, read_list, scores_text, write_list
from ddp_mlp.checkpoint.model import Model, ensemble_list, load_model
from ddp_mlp.checkpoint.resuming import check_resumable, resumed_config
from ddp_mlp.config import Config
from ddp_mlp.durable import writing_errors
from ddp_mlp.errors import DdpMlpError, UsageError, error_from_code, shell_word
from ddp_mlp.run.files.directory import RunDirectory
from ddp_mlp.study.ranking import is_done
from ddp_mlp.study.sampler import Assignment

Summary = dict[str, Any]


def member_name(number: int) -> str:
    """Return the name of a member, which is its directory in that of the ensemble; the first number is 0."""
    return f"member-{number + 1}"


def seeds_of(config: Config, members: int) -> list[list[Assignment]]:
    """Return the assignments of each member: the seed of the configuration, and those that follow it.

    Rows that train and validate are chosen by another seed, so they are the same for all.

    Raises
    ------
    UsageError
        If the loss gives scores, which have no mean that is a probability.
    """
    loss = config.loss.name
    if loss != "auto" and "regression" not in LOSSES[loss].tasks and LOSSES[loss].output not in ("sigmoid", "softmax"):
        raise UsageError(f"[loss] name = {loss!r}: {scores_text(loss)}; take binary_cross_entropy")
    return [[f"train.seed={config.train.seed + number}"] for number in range(members)]


def begin_list(directory: Path, members: int, first: Config, earlier: Config, *, resume: bool) -> None:
    """Write the list of an ensemble whose members are to be trained, or look at that of one that goes on.

    Parameters
    ----------
    first, earlier : Config
        Of the first member, and what an earlier version would have taken it for.

    Raises
    ------
    UsageError
        If the directory is a run, or holds more members, or those of another kind.
    CheckpointError
        If the members that are there do not go on with that configuration; the list stays as it is.
    DataError
        If its list is none.
    OutputError, StorageError
        If it cannot be written.
    """
    refuse_run(directory)
    known: Sequence[Listed] = ()
    if resume and ensemble_list(directory).exists():
        known = read_list(directory).members
    if len(known) > members:
        raise UsageError(
            f"{directory} holds {len(known)} members, more than --members {members}; "
            f"ddp-mlp ensemble {shell_word(directory)} --best {members} takes the best of them"
        )
    if copies := [each.name for each in known if each.origin]:
        raise UsageError(f"{directory}: {copies[0]} is a copy of another run, which is not trained here; choose --out")
    if known and (checkpoint := newest_good(RunDirectory(directory / known[0].name).checkpoints)[0]):
        check_resumable(checkpoint, resumed_config(checkpoint, first, earlier)[0])
    make_directory(directory)
    write_list(directory, [*known, *(Listed(member_name(number)) for number in range(len(known), members))])


def make_directory(directory: Path) -> None:
    """Make the directory of an ensemble.

    Raises
    ------
    OutputError, StorageError
        If it cannot be made.
    """
    with writing_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)


def refuse_run(directory: Path) -> None:
    """Raise UsageError if a directory is that of one run."""
    if RunDirectory(directory).holds_run():
        raise UsageError(f"{directory} is a run itself, so no ensemble can be there; choose another --out")


class ListKeeper:
    """Keeps the list of an ensemble whose members are being trained."""

    def __init__(self, directory: Path, members: int) -> None:
        self._directory = directory
        self._names = [member_name(number) for number in range(members)]
        self._known: dict[str, Listed] = {}
        self._first: Model | None = None

    def __call__(self, summaries: Sequence[Summary]) -> None:
        """Write which members are done, as whatever they are now.

        Raises
        ------
        UsageError
            If one does not fit the first, so that no more need to be trained.
        """
        for summary in summaries:
            if summary["name"] not in self._known:
                self._known[summary["name"]] = self._listed(summary)
        write_list(self._directory, [self._known.get(name, Listed(name)) for name in self._names])

    def _listed(self, summary: Summary) -> Listed:
        name, status = summary["name"], summary["status"]
        if not is_done(summary):
            return Listed(name, status, reason=str(summary.get("reason", "")))
        model = load_model(self._directory / name)
        self._first = self._first or model
        if reason := misfit(self._first, model):
            raise UsageError(f"{self._directory}: {name} has no place in an ensemble: {reason}")
        return Listed(name, status, answers_sha256(model))


def failure_of(directory: Path, summaries: Sequence[Summary]) -> DdpMlpError | None:
    """Return the error that an ensemble ends with of which a member failed: it has no mean over fewer than it says."""
    failed = [summary for summary in summaries if summary["status"] == "failed"]
    if not failed:
        return None
    done, first = sum(map(is_done, summaries)), failed[0]
    text = (
        f"{len(failed)} of {len(summaries)} members failed, so this is no ensemble; {first['name']}: {first['reason']}"
    )
    advice = f"; ddp-mlp ensemble {shell_word(directory)} --best {done} makes one of the others" if done > 1 else ""
    return error_from_code(first["exit_code"], text + advice)


def same_members(summaries: Sequence[Summary]) -> str:
    """Return a line about members that are the same network, as where nothing depends on the seed; empty for none."""
    seen: dict[str, str] = {}
    for summary in summaries:
        first = seen.setdefault(summary["model_sha256"], summary["name"])
        if first != summary["name"]:
            return f"warning: {first} and {summary['name']} have the same weights: the seed makes no difference to them"
    return ""
