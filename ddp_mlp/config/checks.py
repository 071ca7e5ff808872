"""All checks of a configuration that need no data: each problem one sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import msgspec

from ddp_mlp.config.bounds import in_words, objection, parts, words
from ddp_mlp.config.defaults import patience_beside
from ddp_mlp.config.model_checks import check_model
from ddp_mlp.config.schema import is_table, keys, sections, value_of
from ddp_mlp.config.suggestions import suggest, suggest_key
from ddp_mlp.config.update_checks import check_update, resolve_update
from ddp_mlp.config.values import how_to_write
from ddp_mlp.errors import literal

Table = dict[str, Any]

#: Problems that a message lists; who has more has named another file.
_MOST_PROBLEMS = 20


def check_values(raw: Table) -> list[str]:
    """Check every key and value on its own and return the first problems found."""
    found = list(islice(_problems(raw), _MOST_PROBLEMS + 1))
    return found if len(found) <= _MOST_PROBLEMS else [*found[:_MOST_PROBLEMS], "and more"]


def _problems(raw: Table) -> Iterator[str]:
    known = sections()
    for section, table in raw.items():
        if section not in known:
            yield f"unknown section [{_name(section)}]{suggest(section, known)}"
        elif not isinstance(table, dict):
            yield f"[{section}] must be a table of keys, not {literal(table)}"
        else:
            yield from _check_section(section, table, known[section])
    data = raw.get("data", {})
    if isinstance(data, dict) and "train" not in data:
        yield "[data] train is missing: name the HDF5 file to train on"


def _check_section(section: str, table: Table, kind: type[msgspec.Struct]) -> Iterator[str]:
    known = keys(kind)
    for key, value in table.items():
        if key in known and isinstance(value, dict) and is_table(known[key]):
            yield from _check_section(f"{section}.{key}", value, known[key])
        elif key not in known:
            yield f"[{section}] {_name(key)}: unknown key{_suggest_key(key, section, known)}"
        elif problem := _check_value(value, known[key]):
            yield f"[{section}] {key} = {literal(value)}: {problem}"


def _check_value(value: Any, kind: Any) -> str:
    problem, allowed = objection(value, kind), list(words(kind))
    if not problem:
        return ""
    wrong = [v for v in (value if isinstance(value, list) else [value]) if isinstance(v, str) and v not in allowed]
    advice = how_to_write(value, kind)
    if advice or not (allowed and wrong):
        return f"{problem}; {advice}" if advice else problem
    choices = in_words(kind) if {int, float, bool} & {*parts(kind)} else ", ".join(dict.fromkeys(allowed))
    return f"allowed are {choices}{suggest(wrong[0], allowed)}"


def _suggest_key(key: str, section: str, known: Iterable[str]) -> str:
    return suggest(key, known) if "." in section else suggest_key(key, section)


def _name(text: str) -> str:
    """Return a key of a file as it may stand in a message."""
    return literal(text)[1:-1]


def resolve_defaults(raw: Table) -> Table:
    """Fill in the defaults that depend on other keys."""
    return _resolve_checkpoint(_resolve_stopping(resolve_update(raw)))


def _resolve_stopping(raw: Table) -> Table:
    if value_of(raw, "train", "early_stopping_patience") != "auto":
        return raw
    patience = patience_beside(value_of(raw, "schedule", "name"))
    return raw | {"train": {**raw.get("train", {}), "early_stopping_patience": patience}}


def _resolve_checkpoint(raw: Table) -> Table:
    rules = raw.get("checkpoint", {})
    given = any(rules.get(key) is not None for key in ("every_epochs", "every_steps", "every_minutes"))
    return raw if given else raw | {"checkpoint": {**rules, "every_epochs": 1}}


def check_consistency(raw: Table) -> list[str]:
    """Check the keys against each other; all values are valid on their own."""
    return [
        *_check_folds(raw.get("data", {})),
        *check_model(raw),
        *check_update(raw),
        *_check_train(raw.get("train", {})),
    ]


def _check_folds(data: Table) -> Iterator[str]:
    folds, fold = data.get("folds"), data.get("fold")
    if folds is not None and data.get("all_rows"):
        yield "[data] all_rows leaves no fold to validate; take out folds and fold"
    if (folds is None) != (fold is None):
        yield "[data] folds and fold go together: the number of parts, and which of them validates, counted from 0"
    elif folds is not None and fold >= folds:
        yield f"[data] fold = {fold}: with folds = {folds} it must be 0 to {folds - 1}"
    if folds is not None and (data.get("valid") is not None or data.get("valid_fraction") is not None):
        yield (
            "[data] folds parts the training rows itself; take out valid and valid_fraction, or take them "
            "back with --set data.valid=none --set data.valid_fraction=none"
        )
    yield from _check_parting(data)


def _check_parting(data: Table) -> Iterator[str]:
    """Yield each contradiction between the rules by which rows are parted."""
    rules = [key for key in ("group_by", "time_by", "stratify") if data.get(key) not in (None, False)]
    if len(rules) > 1:
        yield f"[data] {rules[0]} and {rules[1]}: rows are parted by one rule; leave one out"
    if data.get("valid") is not None and rules and rules != ["stratify"]:
        yield f"[data] {rules[0]} parts the training rows, but valid names others that validate; leave one out"


def _check_train(train: Table) -> Iterator[str]:
    micro_batches = train.get("micro_batches", "auto")
    if isinstance(micro_batches, int) and micro_batches & (micro_batches - 1):
        larger = 1 << micro_batches.bit_length()
        yield f"[train] micro_batches = {micro_batches}: must be a power of two, such as {larger}"
