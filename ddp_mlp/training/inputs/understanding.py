"""The understanding of the data, in one line before the first step: whoever reads it sees a wrong guess at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ddp_mlp.data.dataset.split import Split
from ddp_mlp.data.normalization import Normalization
from ddp_mlp.data.resident import Preprocessing
from ddp_mlp.data.schema import Schema
from ddp_mlp.errors import counted

_SHOWN = 6
_KIND_WORDS: Mapping[str, str] = {
    "none": "as they are",
    "unit": "divided by the range of their dtype",
    "standard": "to mean 0 and variance 1",
    "minmax": "to the range 0 to 1",
}


@dataclass(frozen=True)
class Understood:
    """The understanding that a run has of its data.

    Attributes
    ----------
    train_rows, valid_rows, test_rows : int
        Rows that train, that validate, and of the test split of the training file.
    features : int
    task : str
    classes : tuple of str or None
        Names of the classes, or their numbers; None for a regression.
    targets : int
    normalize, normalize_targets : str
    imputed_columns : int
        Features of which values were missing.
    weighted : bool
        Whether samples weigh differently.
    """

    train_rows: int
    valid_rows: int
    test_rows: int
    features: int
    task: str
    classes: tuple[str, ...] | None
    targets: int
    normalize: str
    normalize_targets: str
    imputed_columns: int
    weighted: bool

    def line(self) -> str:
        """Return it as one line for a person."""
        trains = "trains" if self.train_rows == 1 else "train"
        validates = "validates" if self.valid_rows == 1 else "validate"
        tests = "is" if self.test_rows == 1 else "are"
        trained = f"{counted(self.train_rows, 'row')} {trains}"
        parts = [
            f"{trained}, {self.valid_rows} {validates}, {self.test_rows} {tests} for a test",
            f"{counted(self.features, 'feature')} {_KIND_WORDS[self.normalize]}",
            self._answer(),
            f"missing values in {counted(self.imputed_columns, 'feature')}, filled"
            if self.imputed_columns
            else "nothing missing",
        ]
        return "data: " + "; ".join(parts + ["samples are weighted"] * self.weighted)

    def _answer(self) -> str:
        if self.classes is None:
            return f"{self.task} of {counted(self.targets, 'target')} {_KIND_WORDS[self.normalize_targets]}"
        more = ", ..." if len(self.classes) > _SHOWN else ""
        return f"{self.task} of {counted(len(self.classes), 'class')} ({', '.join(self.classes[:_SHOWN])}{more})"


def understood(
    schema: Schema, preprocessing: Preprocessing, rows: tuple[int, int], splits: Mapping[str, Split]
) -> Understood:
    """Return the understanding that a run has of its data.

    Parameters
    ----------
    rows : tuple of int
        That train, and that validate.
    splits : dict of str to Split
        Of the training file.
    """
    n_test = splits["test"].n_samples if "test" in splits else 0
    fitted = preprocessing.features
    targets: Normalization | None = preprocessing.target_normalization
    return Understood(
        *rows, n_test, schema.n_features, schema.task, schema.classes, schema.n_targets, fitted.kind,
        "none" if targets is None else targets.kind, preprocessing.imputed_columns, preprocessing.weighted,
    )  # fmt: skip


def as_plain(what: Understood) -> dict[str, Any]:
    """Return it as the values of ``"understood"`` in ``train --json``."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(what).items()}
