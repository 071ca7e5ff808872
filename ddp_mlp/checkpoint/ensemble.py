"""Ensembles: models in the directories below one, and the list that says which of them answer together."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from ddp_mlp.checkpoint.model import Model, ensemble_list, is_ensemble, load_model
from ddp_mlp.core.layout import digest
from ddp_mlp.data.schema import Schema
from ddp_mlp.durable import write_whole
from ddp_mlp.errors import DataError, MissingInputError, literal, printable, shell_word
from ddp_mlp.plain_files import read_json

ENSEMBLE_FORMAT = 1
#: Fewer have no spread, and more are no file that this program writes.
FEWEST, MOST = 2, 10_000
_MOST_BYTES = 2**24
_NAME = re.compile(r"[\w.+-]{1,200}")
#: Output units whose values are probabilities, of which a mean is one.
_PROBABILITIES = ("sigmoid", "softmax")


class Listed(msgspec.Struct, frozen=True, omit_defaults=True):
    """One member in the list.

    Attributes
    ----------
    name : str
        Of its directory.
    status : str
        As of a run; "planned" for one that is not known to have ended.
    sha256 : str
        See `answers_sha256`, once it has ended.
    reason : str
        Why it failed.
    origin : str
        The run that it is a copy of; empty for one that was trained here.
    """

    name: str
    status: str = "planned"
    sha256: str = ""
    reason: str = ""
    origin: str = ""

    @property
    def is_done(self) -> bool:
        """Whether it is known which model it is."""
        return self.sha256 != ""


class MemberList(msgspec.Struct, frozen=True):
    """The content of ``ensemble.json``.

    Attributes
    ----------
    members : tuple of Listed
        In the order in which their answers are added.
    """

    members: tuple[Listed, ...]
    format: Literal["ddp-mlp-ensemble"] = "ddp-mlp-ensemble"
    format_version: int = ENSEMBLE_FORMAT


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Models that answer together.

    Attributes
    ----------
    path : Path
    names : tuple of str
        Of the members.
    members : tuple of Model
        Two at least, which fit each other, in the order in which their answers are added.
    """

    path: Path
    names: tuple[str, ...]
    members: tuple[Model, ...]

    @property
    def schema(self) -> Schema:
        """The one schema of all members."""
        return self.members[0].schema


def members_of(trained: Model | Ensemble) -> tuple[Model, ...]:
    """Return the models that answer: one, or those of an ensemble."""
    return trained.members if isinstance(trained, Ensemble) else (trained,)


def write_list(directory: Path, members: Sequence[Listed]) -> None:
    """Write which models a directory is an ensemble of, whole or not at all.

    Raises
    ------
    OutputError, StorageError
        If it cannot be written.
    """
    content = msgspec.json.format(msgspec.json.encode(MemberList(tuple(members))), indent=1)
    write_whole(ensemble_list(directory), content + b"\n")


def read_list(directory: Path) -> MemberList:
    """Read the list of an ensemble's members, of which nothing is believed.

    Raises
    ------
    MissingInputError
        If there is none.
    DataError
        If it is none of this program.
    """
    path = ensemble_list(directory)
    try:
        found = read_json(path, MemberList, _MOST_BYTES)
    except FileNotFoundError:
        raise MissingInputError(f"{directory}: no ensemble (no {path.name})") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    if found is None or not found.members:
        raise DataError(f"{path}: not the list of members that this program writes")
    if found.format_version > ENSEMBLE_FORMAT:
        newest = f"but this program reads up to {ENSEMBLE_FORMAT}; update ddp-mlp"
        raise DataError(f"{path}: format {found.format_version}, {newest}")
    names = [member.name for member in found.members]
    for name in names:
        if not _NAME.fullmatch(name) or name in (".", "..") or names.count(name) > 1:
            raise DataError(f"{path}: {literal(name)} is no name of a member, or of two")
    if not FEWEST <= len(names) <= MOST:
        raise DataError(f"{path}: {len(names)} members; from {FEWEST} to {MOST:,} are allowed")
    return found


def load_ensemble(directory: Path) -> Ensemble:
    """Load all models of an ensemble.

    Raises
    ------
    MissingInputError
        If there is none, or a model of it is missing.
    DataError
        If a member is not trained to its end, has another model than when the ensemble was made, or does not fit the
        others: there is no mean over fewer models, or over others, than those it says.
    """
    listed = read_list(directory).members
    _require_whole(directory, listed)
    members = tuple(_load_member(directory, each) for each in listed)
    for name, each in zip((each.name for each in listed), members, strict=True):
        if reason := misfit(members[0], each):
            raise DataError(
                f"{directory}: {name} does not fit {listed[0].name}: {reason}; an ensemble answers one thing"
            )
    return Ensemble(directory, tuple(each.name for each in listed), members)


def _require_whole(directory: Path, listed: Sequence[Listed]) -> None:
    """Raise DataError unless all members have come to their end."""
    open_ones = [each for each in listed if not each.is_done]
    if not open_ones:
        return
    first, done = open_ones[0], len(listed) - len(open_ones)
    if first.status == "failed":
        why = f"{first.name} failed ({printable(first.reason)[:200]})"
        how = f"make one of those that are done with ddp-mlp ensemble {shell_word(directory)} --best {done} --out OTHER"
        if done < 2:
            how = "too few are done for another: change the configuration, and train with another --out"
    elif first.origin:
        why, how = (
            f"{first.name} is no whole copy of {printable(first.origin)[:200]}",
            "make it anew, with another --out",
        )
    else:
        why = f"{first.name} is not trained to its end"
        how = f"go on with ddp-mlp ensemble CONFIG --members {len(listed)} --resume --out {shell_word(directory)}"
    raise DataError(f"{directory}: an ensemble of which {done} of {len(listed)} members are done: {why}; {how}")


def _load_member(directory: Path, listed: Listed) -> Model:
    path = directory / listed.name
    file = path / "model.h5"
    if not os.path.lexists(file):
        raise MissingInputError(f"{directory}: the model of {listed.name} is missing ({file}); restore it")
    model = load_model(path)
    if (found := answers_sha256(model)) != listed.sha256:
        raise DataError(
            f"{file}: not the model that this ensemble was made with (SHA-256 {found[:12]}..., not "
            f"{printable(listed.sha256)[:12]}...); restore it; or if its training went on, run ddp-mlp ensemble "
            "with --resume, which takes members as they are"
        )
    return model


def answers_sha256(model: Model) -> str:
    """Return the hash of all that the answers of a model depend on, to the bit; it is the same on any ranks."""
    network, schema = model.network, model.schema
    fitted, targets = model.normalization, model.target_normalization
    arrays = [fitted.offset, fitted.scale, fitted.fill, *((targets.offset, targets.scale) if targets else ())]
    told = [
        network.layout.sizes, network.layout.pieces, network.layout.tied, network.activations,
        network.activation_params, network.output, schema.task, schema.feature_names, schema.targets, schema.classes,
        *(None if array is None else array.tolist() for array in arrays), digest(model.parameters),
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def misfit(first: Model, other: Model) -> str:
    """Return why the answers of two models are nothing that has a mean; empty if they are."""
    one, two = first.schema.plain(), other.schema.plain()
    if one != two:
        pairs = {name: (getattr(one, name), getattr(two, name)) for name in Schema.__struct_fields__}
        name, (ours, its) = next((name, pair) for name, pair in pairs.items() if pair[0] != pair[1])
        return f"its {name.replace('_', ' ')} are {literal(its)[:80]}, not {literal(ours)[:80]}"
    if first.config.data.autoencode != other.config.data.autoencode:
        return "one answers its own features, the other does not"
    if other.schema.task != "regression" and other.network.output not in _PROBABILITIES:
        return scores_text(other.network.loss)
    return ""


def scores_text(loss: str) -> str:
    """Return why models of a loss have no mean."""
    return f"the loss {loss} gives scores, no probabilities, of which a mean could be taken"


def load_trained(location: Path) -> Model | Ensemble:
    """Load whatever MODEL means: an ensemble, a run directory's best model, a checkpoint or a model file.

    Raises
    ------
    MissingInputError, DataError
        As `load_model` and `load_ensemble`.
    """
    return load_ensemble(location) if is_ensemble(location) else load_model(location)
