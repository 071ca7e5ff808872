"""Names by which features, targets, weights and splits are known in the files of others."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Role = Literal["features", "targets", "weights"]

ALIASES: Mapping[Role, tuple[str, ...]] = {
    "features": ("features", "X", "x", "inputs", "data", "images"),
    "targets": ("targets", "target", "y", "Y", "labels", "label", "outputs"),
    "weights": ("weights", "sample_weight", "sample_weights"),
}
OWN_NAMES: Mapping[Role, tuple[str, ...]] = {role: (role,) for role in ALIASES}
SPLITS: Mapping[str, tuple[str, ...]] = {
    "train": ("train", "training", "train_set", "tr"),
    "valid": ("valid", "val", "validation", "dev", "valid_set", "dev_set"),
    "test": ("test", "testing", "test_set", "te", "holdout"),
}
_LOOKS_LIKE_WEIGHTS = re.compile(r"(.*[_\W]|sample|event|case|obs)?(weights?|wgts?|w)", re.IGNORECASE)
_SPLIT_WORDS = "|".join(word for words in SPLITS.values() for word in words)
_ROWS_WORDS = "idx|inds?|ids?|index|indexes|indices|rows|mask"
_LOOKS_LIKE_ROWS = re.compile(
    rf"(is_)?({_SPLIT_WORDS})_?({_ROWS_WORDS})|({_ROWS_WORDS})_?({_SPLIT_WORDS})|is_?({_SPLIT_WORDS})|splits?|partition|folds?",
    re.IGNORECASE,
)


def split_groups(split: str) -> tuple[str, ...]:
    """Return names that the group of a split has, in any spelling."""
    return tuple(dict.fromkeys(form for word in SPLITS[split] if len(word) > 2 for form in _spellings(word)))


def split_names(role: Role, split: str, *, own: bool = False) -> tuple[str, ...]:
    """Return names that an array of a role has where they tell the split, as ``x_train``, ``train_x`` or ``XTrain``."""
    words = [form for word in SPLITS[split] for form in _spellings(word)]
    names: list[str] = []
    for alias in (OWN_NAMES if own else ALIASES)[role]:
        for word in words:
            joints = ("_", "") if len(word) > 2 else ("_",)
            names += [f"{first}{joint}{second}" for joint in joints for first, second in ((alias, word), (word, alias))]
    return tuple(dict.fromkeys(names))


def _spellings(word: str) -> tuple[str, ...]:
    return word, word.capitalize(), word.upper()


def look_like_weights(names: Iterable[str]) -> list[str]:
    """Return those of some names that are likely those of sample weights."""
    return [name for name in names if _LOOKS_LIKE_WEIGHTS.fullmatch(name)]


def look_like_rows(names: Iterable[str]) -> list[str]:
    """Return those of some names that are likely those of arrays which tell the split of each row."""
    return [name for name in names if _LOOKS_LIKE_ROWS.fullmatch(name)]
