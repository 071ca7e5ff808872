"""Columns one by one: ranges and gaps, columns that tell the target, ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ddp_mlp.cli.inspection_text import text_lines
from ddp_mlp.data.importing import import_dataset
from ddp_mlp.data.inspection import inspect_dataset
from ddp_mlp.data.sources.options import ImportOptions

if TYPE_CHECKING:
    from pathlib import Path

    from ddp_mlp.data.inspection import SplitReport

N = 600
RNG = np.random.default_rng(0)
X, NOISE = RNG.normal(size=N), RNG.normal(size=N)
CLASSES = np.array(["no", "yes"])[(RNG.random(N) < 0.3).astype(int)]


def inspected(tmp_path: Path, **columns: Any) -> SplitReport:
    """Import columns with the target ``y`` and inspect them."""
    names, rows = list(columns), zip(*columns.values(), strict=True)
    path, out = tmp_path / "t.csv", tmp_path / "t.h5"
    path.write_text("\n".join([",".join(names), *(",".join(map(str, row)) for row in rows)]) + "\n")
    import_dataset([path], out, ImportOptions(targets=("y",)), force=True)
    splits = inspect_dataset(out).splits
    assert splits is not None
    return splits["train"]


@pytest.mark.parametrize(
    ("leak", "target"),
    [
        (X**2 * 3, X**2),
        (np.round(X, 1), np.round(X, 1) ** 3),
        (-X, np.exp(X)),
        (np.where(CLASSES == "yes", "paid", "open"), CLASSES),
        (np.where(CLASSES == "yes", 5.0, 1.0) + X / 10, CLASSES),
    ],
)
def test_a_column_that_tells_the_target(leak: Any, target: Any, tmp_path: Path) -> None:
    """Whatever the form of the relation, also for categories."""
    assert inspected(tmp_path, a=NOISE, leak=leak, y=target).telling_columns == ["leak"]


@pytest.mark.parametrize(
    ("column", "target"),
    [
        (X, X + NOISE / 3),
        (np.arange(N) * 7 % 601, CLASSES),
        (np.arange(N) % 300, CLASSES),
        (np.where(RNG.random(N) < 0.1, "x", CLASSES), CLASSES),
        (X, CLASSES),
    ],
)
def test_a_column_that_is_only_related_does_not(column: Any, target: Any, tmp_path: Path) -> None:
    assert inspected(tmp_path, a=NOISE, b=column, y=target).telling_columns == []


def test_the_only_column_may_tell_all(tmp_path: Path) -> None:
    assert inspected(tmp_path, a=X, y=X**2).telling_columns == []


def test_ids_ranges_and_gaps(tmp_path: Path) -> None:
    gaps = [("" if i % 10 == 0 else f"{i / 4}") for i in range(N)]
    found = inspected(tmp_path, customer=1000 + 3 * np.arange(N), a=NOISE, b=gaps, y=X)
    assert found.counting_columns == ["customer"]
    columns = {column.name: column for column in found.columns}
    assert (columns["b"].low, columns["b"].high, columns["b"].n_missing) == (0.25, (N - 1) / 4, N // 10)
    assert (columns["customer"].low, columns["customer"].high) == (1000.0, 1000.0 + 3 * (N - 1))
    report = inspect_dataset(tmp_path / "t.h5")
    text = "\n".join(text_lines(report))
    assert "as ids do: customer" in text
    assert f"b         0.25 to {(N - 1) / 4:g}  {N // 10} missing" in text
    assert report.as_dict()["splits"]["train"]["columns"][0]["name"] == "customer"


def test_many_columns_are_cut(tmp_path: Path) -> None:
    inspected(tmp_path, **{f"c{i}": RNG.normal(size=50) for i in range(60)}, y=RNG.normal(size=50))
    assert any("and 20 columns more" in line for line in text_lines(inspect_dataset(tmp_path / "t.h5")))
