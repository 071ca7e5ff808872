"""The options of an import, for files of any format."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ddp_mlp.data.schema import Missing, Schema


@dataclass(frozen=True)
class ImportOptions:
    """The wishes of a user about the files to import.

    Attributes
    ----------
    targets, features, drop : tuple of str
        Columns, or paths within a file.
    task : str
        "auto" or one of `rows.TASKS`.
    test_fraction : float
        Share of the training rows to move to a test split, 0 <= x < 1.
    seed : int
        Chooses these rows; not negative.
    stratify : bool
        Whether each class gives its share of them.
    text, ids : tuple of str
        Columns that are categories though they look like numbers; columns that name a row and teach nothing.
    ordinal : dict of str to tuple of str
        Columns of which each category becomes its position among these; none given is alphabetical.
    date : dict of str to str
        Columns of dates and their format as of `strptime`; "" finds it.
    weights, split_by : str or None
        The column of sample weights; the column that tells the split of each row.
    missing : str
        "auto", "impute", "indicator", "drop" or "error": what a missing cell of a feature becomes.
    na : tuple of str
        What stands in cells that hold nothing, besides what always means that.
    separator, decimal, encoding, sheet : str or None
        How a file is written; None finds out.
    answers_only : bool
        Whether rows are only to be answered by the model of `like`: all of them, in their order, without targets.
    like : Schema or None
        What the rows are to be rows of, instead of what is guessed.
    header : bool or None
        Whether the first line holds the names of the columns; None finds out.
    scratch : Path or None
        A folder with room for what is kept while files are read; None keeps nothing.
    """

    targets: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    task: str = "auto"
    test_fraction: float = 0.0
    seed: int = 0
    stratify: bool = False
    text: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    ordinal: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    date: Mapping[str, str] = field(default_factory=dict)
    weights: str | None = None
    split_by: str | None = None
    missing: Missing | Literal["auto"] = "auto"
    na: tuple[str, ...] = ()
    separator: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    sheet: str | None = None
    header: bool | None = None
    like: Schema | None = None
    answers_only: bool = False
    scratch: Path | None = None

    def given(self) -> dict[str, object]:
        """Return the fields that were stated, and what was said."""
        default = ImportOptions()
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: value for name, value in values.items() if value != getattr(default, name)}


#: The option of the command line behind each field.
OPTION_OF = {
    "targets": "--target",
    "features": "--features",
    "drop": "--drop",
    "text": "--text",
    "ids": "--id",
    "ordinal": "--ordinal",
    "date": "--date",
    "weights": "--weights",
    "split_by": "--split-by",
    "missing": "--missing",
    "na": "--na",
    "separator": "--separator",
    "decimal": "--decimal",
    "encoding": "--encoding",
    "sheet": "--sheet",
    "header": "--header",
    "like": "--like",
}
