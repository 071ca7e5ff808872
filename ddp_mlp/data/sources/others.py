"""Formats that are not read, and what makes one of those that are of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_TO_PARQUET = "read it with pandas and write it with to_parquet"
_TO_NPZ = "write the arrays with numpy.savez"
#: By first bytes: what it is, and the way out.
_BY_BYTES: Mapping[bytes, tuple[str, str]] = {
    b"CDF\x01": ("NetCDF of the classic format", "nccopy -k nc4 IN.nc OUT.nc makes it NetCDF-4"),
    b"CDF\x02": ("NetCDF of the classic format", "nccopy -k nc4 IN.nc OUT.nc makes it NetCDF-4"),
    b"CDF\x05": ("NetCDF of the classic format", "nccopy -k nc4 IN.nc OUT.nc makes it NetCDF-4"),
    b"Octave-1": ("a file of Octave", "save it with -v7"),
    b"# Created by Octave": ("a file of Octave", "save it with -v7"),
    b"SQLite format 3": ("a data base of SQLite", "export its table as CSV"),
    b"\x0e\x03\x13\x01": ("HDF4", "h4toh5 makes it HDF5"),
    b"%PDF": ("a PDF", "extract its table as CSV"),
    b"Obj\x01": ("Avro", _TO_PARQUET),
    b"ORC": ("ORC", _TO_PARQUET),
    b"SIMPLE  =": ("FITS", "read it with astropy and write its table as Parquet"),
    b"MATLAB 4": ("a file of MATLAB", "save it with -v7.3"),
}
#: By suffix, likewise.
_BY_SUFFIX: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys((".pkl", ".pickle", ".joblib"), ("a pickle (it would run code)", _TO_NPZ)),
    **dict.fromkeys((".pt", ".pth"), ("a file of PyTorch, which is a pickle", _TO_NPZ)),
    **dict.fromkeys((".rds", ".rda", ".rdata"), ("a file of R", "write.csv(x, 'x.csv', row.names = FALSE) writes CSV")),
    **dict.fromkeys((".dta", ".sav", ".por", ".sas7bdat", ".xpt"), ("a file of a statistics program", _TO_PARQUET)),
    **dict.fromkeys((".db", ".sqlite", ".mdb", ".accdb"), ("a data base", "export its table as CSV")),
    **dict.fromkeys((".xml", ".html", ".htm", ".yaml", ".yml"), ("marked-up text", "save its table as CSV or JSON")),
    **dict.fromkeys((".tar", ".tgz", ".7z", ".rar"), ("an archive", "unpack it first")),
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".tif", ".tiff"), ("a picture", "write all of them with numpy.savez")),
    ".ts": ("a time series of sktime", "write X and y with numpy.savez"),
    ".mat": ("a file of MATLAB before version 5", "save it with -v7.3"),
}  # fmt: skip
_LOOKED_AT = 32


def way_out(path: Path) -> str | None:
    """Return the name of a format that is not read and how to write one that is; None where neither is known."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        first = file.read(_LOOKED_AT)
    known = next((words for start, words in _BY_BYTES.items() if first.startswith(start)), None)
    known = known or _BY_SUFFIX.get(path.suffix.lower())
    return f"{known[0]} is not read; {known[1]}" if known else None
