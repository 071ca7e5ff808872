"""An ensemble of runs that are there: the best of a study, copied without their checkpoints."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ddp_mlp.checkpoint.ensemble import Listed, answers_sha256, misfit, write_list
from ddp_mlp.checkpoint.model import load_model
from ddp_mlp.config import load_config
from ddp_mlp.durable import write_whole
from ddp_mlp.errors import DataError, DdpMlpError, MissingInputError, UsageError
from ddp_mlp.plain_files import is_directory, open_plain, read_json
from ddp_mlp.run.files.directory import RunDirectory
from ddp_mlp.study.ensembles.members import make_directory, member_name, refuse_run
from ddp_mlp.study.execution.record import RECORD, Record
from ddp_mlp.study.ranking import BY_OTHER_ROWS, ranked, ranking_metric
from ddp_mlp.training.inputs.parting import DEFAULT_VALID_FRACTION

Summary = dict[str, Any]

#: Files of a run that a member needs, or that a report shows.
_COPIED = ("config.toml", "status.json", "metrics.csv", "hashes.csv", "log.txt", "model.h5")
_DONE = ("finished", "early-stopped", "target-reached")


def runs_in(directory: Path) -> list[Summary]:
    """Return the results of the runs of a study that are done, by name.

    Raises
    ------
    MissingInputError
        If there is none.
    """
    # Those of --top are of all rows, so that nothing has measured them.
    paths = sorted(path for path in directory.iterdir() if is_directory(path) and not path.name.startswith("top-"))
    paths = [path for path in paths if RunDirectory(path).holds_run()]
    found = [{**_status(path), "name": path.name} for path in paths]
    done = [{**each, "status": each["state"]} for each in found if each.get("state") in _DONE and each.get("loss_unit")]
    if not done:
        raise MissingInputError(
            f"{directory}: no run in this directory is done; name that of a search without folds, or of an ensemble"
        )
    return done


def _status(path: Path) -> dict[str, Any]:
    try:
        return read_json(path / "status.json", dict[str, Any]) or {}
    except OSError:  # of a run that has only begun
        return {}


def asked_of(directory: Path) -> str | None:
    """Return the metric by which the search in a directory was asked to rank its trials; None without a word."""
    with suppress(OSError):
        record = read_json(directory / RECORD, Record)
        return (record and record.metric) or None
    return None


def best_of(runs: Sequence[Summary], best: int, metric: str | None) -> tuple[list[str], str]:
    """Return the names of the best runs, the best first, and the key of the summaries that ranks them.

    Raises
    ------
    UsageError
        If there are not so many, or nothing compares them.
    """
    if len(runs) < best:
        raise UsageError(f"--best {best}: runs that are done there are {len(runs)}")
    key = ranking_metric(runs, metric)
    return [summary["name"] for summary in ranked(runs, key)[:best]], key


def other_rows(directory: Path, runs: Sequence[Summary]) -> str:
    """Return the warning that the runs in a directory were not all validated by the same rows; empty if they were."""
    found = {_validating(directory / summary["name"]) for summary in runs}
    if len(found) < 2:
        return ""
    return f"warning: {directory}: other rows validated some of these runs than others, {BY_OTHER_ROWS}"


def _validating(path: Path) -> str:
    """Return all that says which rows validate a run."""
    try:
        data = load_config(path / "config.toml", (), {}).data
    except DdpMlpError:  # of a run whose configuration is gone, which its model may do without
        return ""
    places = [place and os.path.realpath(place) for place in (data.train, data.valid)]
    if data.valid is not None:
        return repr([places, data.all_rows])
    fraction = DEFAULT_VALID_FRACTION if data.valid_fraction is None else data.valid_fraction
    parted = [data.folds, data.fold] if data.folds is not None and data.fold is not None else [fraction]
    chosen = [data.all_rows, data.split_seed, data.stratify, data.group_by, data.time_by]
    return repr([places, parted, chosen])


def copy_runs(directory: Path, names: Sequence[str], out: Path) -> None:
    """Make an ensemble of copies of runs; checkpoints stay where they are.

    Raises
    ------
    DataError
        If a model is damaged, or does not fit the first.
    OutputError, StorageError
        If they cannot be written.
    """
    refuse_run(out)
    models = [load_model(directory / name) for name in names]
    for name, model in zip(names, models, strict=True):
        if reason := misfit(models[0], model):
            raise DataError(f"{directory}: {name} does not fit {names[0]}, so they have no mean: {reason}")
    make_directory(out)
    members = [Listed(member_name(i), origin=str(directory / name)) for i, name in enumerate(names)]
    write_list(out, members)
    for member, name in zip(members, names, strict=True):
        make_directory(out / member.name)
        for file in _COPIED:
            if os.path.lexists(directory / name / file):
                with open_plain(directory / name / file) as stream:
                    write_whole(out / member.name / file, stream.read())
    pairs = zip(members, models, strict=True)
    write_list(out, [Listed(m.name, "finished", answers_sha256(model), origin=m.origin) for m, model in pairs])
