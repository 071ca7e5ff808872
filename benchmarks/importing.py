"""Import of a large CSV file beside pandas' `read_csv` and encoding, in turn; medians and peak memory.

python -m benchmarks.importing [--mb 1000] [--rounds 3] [--pandas PYTHON]

PYTHON is an interpreter that has pandas and h5py. Both write the same features to an HDF5 file.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np

_ROWS = 50_000
OURS = """
import sys
from pathlib import Path
from ddp_mlp.data.importing import import_dataset
from ddp_mlp.data.sources.options import ImportOptions
import_dataset([Path(sys.argv[1])], Path(sys.argv[2]), ImportOptions(targets=("y",)), force=True)
"""
PANDAS = """
import sys
import h5py, numpy as np, pandas as pd
table = pd.read_csv(sys.argv[1])
labels = pd.factorize(table.pop("y"), sort=True)[0]
if "when" in table:
    when = pd.to_datetime(table.pop("when"))
    table["when.year"] = when.dt.year
    for name, turns in (("yearday", (when.dt.day_of_year - 1) / 365.2425), ("weekday", when.dt.day_of_week / 7)):
        table[f"{name}_sin"], table[f"{name}_cos"] = np.sin(2 * np.pi * turns), np.cos(2 * np.pi * turns)
texts = [name for name in table if not pd.api.types.is_numeric_dtype(table[name])]
features = pd.get_dummies(table, columns=texts, dtype="float64").to_numpy(np.float64)
with h5py.File(sys.argv[2], "w") as file:
    file["features"], file["targets"] = features, labels
"""
_PEAK = "\nimport resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)"


def write_table(path: Path, n_bytes: int, kind: str) -> None:
    """Write a CSV file: "numbers" of 20 columns, or "mixed" with whole numbers, categories and dates too."""
    from pyarrow import csv, table

    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        while file.tell() < n_bytes:
            columns = {f"f{i}": (rng.normal(size=_ROWS) * 10 ** (i % 3)).round(6) for i in range(20)}
            if kind == "mixed":
                columns |= {f"i{i}": rng.integers(0, 1000 * (i + 1), _ROWS) for i in range(5)}
                colours = np.array(["red", "green", "blue", "yellow"])
                columns |= {f"c{i}": colours[rng.integers(0, 4, _ROWS)] for i in range(2)}
                days = np.datetime64("2020-01-01") + rng.integers(0, 900, _ROWS)
                columns["when"] = np.datetime_as_string(days)
            columns["y"] = rng.integers(0, 3, _ROWS)
            is_first = file.tell() == 0
            csv.write_csv(table(columns), file, csv.WriteOptions(include_header=is_first, quoting_style="none"))


def measure(python: str, code: str, path: Path, out: Path) -> tuple[float, int]:
    """Return the seconds of a process, start and imports included, and its peak memory in MiB."""
    start = perf_counter()
    done = subprocess.run([python, "-c", code + _PEAK, path, out], check=True, capture_output=True, text=True)
    seconds = perf_counter() - start
    out.unlink()
    return seconds, int(done.stdout.split()[-1])


def main() -> None:
    """Measure both kinds of tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pandas", metavar="PYTHON")
    chosen = parser.parse_args()
    rivals = {"ddp-mlp": (sys.executable, OURS)} | ({"pandas": (chosen.pandas, PANDAS)} if chosen.pandas else {})
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "t.csv", Path(folder) / "t.h5"
        for kind in ("numbers", "mixed"):
            write_table(path, chosen.mb * 10**6, kind)
            found = [{name: measure(*how, path, out) for name, how in rivals.items()} for _ in range(chosen.rounds)]
            for name in rivals:
                seconds = statistics.median(one[name][0] for one in found)
                peak = max(one[name][1] for one in found)
                print(f"{kind:<8} {path.stat().st_size / 1e6:6.0f} MB  {name:<8} {seconds:6.1f} s  peak {peak} MiB")


if __name__ == "__main__":
    main()
