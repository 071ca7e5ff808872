"""The key that somebody means by a name of another program, or of another section."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from ddp_mlp.config.schema import keys, sections

#: What keys and sections are called elsewhere.
_SYNONYMS = {
    "lr": "learning_rate", "eta": "learning_rate", "learning_rate_init": "learning_rate", "step_size": "learning_rate",
    "batch": "global_batch_size", "batch_size": "global_batch_size", "minibatch_size": "global_batch_size",
    "max_iter": "epochs", "max_epochs": "epochs", "n_epochs": "epochs", "num_epochs": "epochs", "iterations": "epochs",
    "hidden_layer_sizes": "hidden", "hidden_layers": "hidden", "layers": "hidden", "units": "hidden",
    "nonlinearity": "activation", "solver": "name", "algorithm": "name", "type": "name", "kind": "name",
    "alpha": "l2", "penalty": "l2", "wd": "weight_decay", "decay": "weight_decay", "epsilon": "eps",
    "beta_1": "beta1", "beta_2": "beta2", "betas": "beta1", "nesterovs_momentum": "momentum",
    "random_state": "seed", "random_seed": "seed", "n_iter_no_change": "early_stopping_patience",
    "patience": "early_stopping_patience", "early_stopping": "early_stopping_patience",
    "clip": "clip_norm", "grad_clip": "clip_norm", "max_norm": "clip_norm", "precision": "dtype",
    "validation_fraction": "valid_fraction", "validation_split": "valid_fraction", "val_fraction": "valid_fraction",
    "val_split": "valid_fraction", "validation": "valid", "val": "valid", "path": "train", "file": "train",
    "x": "features", "inputs": "features", "y": "targets", "labels": "targets", "outputs": "targets",
    "target": "targets", "standardize": "normalize", "scaling": "normalize", "smoothing": "label_smoothing",
    "network": "model", "net": "model", "mlp": "model", "opt": "optimizer", "optim": "optimizer",
    "scheduler": "schedule", "lr_schedule": "schedule", "dataset": "data", "criterion": "loss", "fit": "train",
    "trainer": "train", "checkpoints": "checkpoint", "save": "checkpoint",
}  # fmt: skip


def suggest(word: str, known: Iterable[str]) -> str:
    """Return ", did you mean ...?" if one of the `known` words is meant; empty otherwise.

    Examples
    --------
    >>> suggest("lr", ["name", "learning_rate"]), suggest("xyz", ["name"])
    (", did you mean 'learning_rate'?", '')
    """
    names = list(known)
    if _SYNONYMS.get(word.lower()) in names:
        return f", did you mean {_SYNONYMS[word.lower()]!r}?"
    close = difflib.get_close_matches(word[:60].lower(), names, n=1)
    return f", did you mean {close[0]!r}?" if close else ""


def suggest_key(word: str, section: str) -> str:
    """Return the key that is meant by one that `section` does not have: its own, or that of another section."""
    elsewhere = [home.split(".") for home in homes(word)]
    if elsewhere and section not in [home for home, _ in elsewhere]:
        return f", did you mean {elsewhere[0][1]} of [{elsewhere[0][0]}]?"
    return suggest(word, keys(sections()[section]) if section in sections() else ())


def homes(word: str) -> list[str]:
    """Return each ``SECTION.KEY`` that a word names here or in another program.

    Examples
    --------
    >>> homes("lr"), homes("xyz")
    (['optimizer.learning_rate'], [])
    """
    tables = {name: keys(kind) for name, kind in sections().items()}
    found = (
        [f"{home}.{name}" for home in tables if name in tables[home]] for name in (word, _SYNONYMS.get(word.lower()))
    )
    return next(filter(None, found), [])


def suggest_home(word: str) -> str:
    """Return ", did you mean ...?" for a key that is given without its section; empty if none is meant.

    Examples
    --------
    >>> suggest_home("epochs"), suggest_home("l"), suggest_home("train.epochs")
    (', did you mean train.epochs?', '', '')
    """
    found = homes(word.strip())
    return f", did you mean {' or '.join(found[:3])}?" if found else ""
