"""Files of every format that `data import` reads, mutated, each imported by a child of this warm process."""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from ddp_mlp.data.formats import FORMATS
from ddp_mlp.data.importing import import_dataset
from ddp_mlp.data.sources.options import ImportOptions
from ddp_mlp.errors import DdpMlpError
from tests.data.tables.test_damaged import write_all
from tests.data.test_every_source import IMPORTED
from tests.faults.forks import ESCAPED, Child, in_child
from tests.faults.table import Row

_DEADLINE_S = 20.0
_REFUSED = 65
_MIB = 2**20
#: What readers take for any file, their libraries included.
_ALLOWED_BYTES = 512 * _MIB
#: What is put into a file: what means something to one of the formats.
_PIECES = (
    b'"', b",", b"\n", b"\r", b"\0", b";", b"'", b"#", b"\t", b"{", b"[", b":", b"%", b"\\", b" ", b"=",
    b"NaN", b"1e999", b"-1", b"1,5", b"99999999999999999999", b"\xff\xfe", b"\xef\xbb\xbf", b"\xff" * 8, b"\x7f" * 4,
)  # fmt: skip


def mutated_inputs(n: int, seed: int = 0) -> list[Row]:
    """Import mutated files: each is read, or refused in one message, in time, and leaves nothing behind."""
    row, codes, most = Row("mutated inputs of all formats"), Counter[int](), 0
    where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - a directory of its own
    with tempfile.TemporaryDirectory(prefix="ddp-mlp-faults-", dir=where) as name:
        whole = _whole_files(Path(name) / "whole")
        for path in whole:  # what is imported once is not imported again by each child
            _import(path, Path(name) / "o.h5")
            (Path(name) / "o.h5").unlink()
        before = in_child(lambda _: 0).peak_bytes
        for index in range(n):
            rng = random.Random(f"{seed} {index}")  # noqa: S311 - faults, not secrets
            path = rng.choice(whole)
            folder = Path(name) / "work"
            folder.mkdir(exist_ok=True)
            (folder / path.name).write_bytes(mutated(path.read_bytes(), rng))
            started = time.monotonic()
            child = _imported_by_a_child(folder / path.name)
            row.seconds.append(time.monotonic() - started)
            most = max(most, child.peak_bytes - before)
            codes[child.code] += 1
            _check(row, child, f"number {index} ({path.name})", folder / path.name, child.peak_bytes - before)
    row.note = f"seed {seed}; {codes[_REFUSED]} refused, {codes[0]} read; at most {most / _MIB:.0f} MiB more memory"
    return [row]


def mutated(content: bytes, rng: random.Random) -> bytes:
    """Return a file with bytes changed, left out, put in, moved or cut off."""
    new = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        if not new:
            break
        at, other = rng.randrange(len(new)), rng.randrange(len(new))
        match rng.choice(["change", "flip", "leave-out", "put-in", "piece", "cut", "move"]):
            case "change":
                new[at] = rng.randrange(256)
            case "flip":
                new[at] ^= 1 << rng.randrange(8)
            case "leave-out":
                del new[at : at + rng.choice((1, 4, 50))]
            case "put-in":
                new[at:at] = rng.randbytes(rng.choice((1, 3, 9)))
            case "piece":
                new[at:at] = rng.choice(_PIECES)
            case "cut":
                new = new[:at] if rng.random() < 0.3 else new
            case _:
                new[at : at + 8] = new[other : other + 8]
    return bytes(new)


def _whole_files(folder: Path) -> list[Path]:
    """Write good files, at least one of each format."""
    folder.mkdir()
    paths = list(write_all(folder).values())
    for name, make in IMPORTED.items():
        if name != "images":  # a folder
            (folder / name).mkdir()
            make(folder / name)
            paths += [path for path in (folder / name).iterdir() if path.name not in {p.name for p in paths}]
    return paths


def _targets(path: Path) -> tuple[str, ...]:
    """Return the target that an import of a good file needs."""
    if path.suffix in {".npz", ".svm", ".h5", ".mat"}:
        return ()
    return {"t.npy": ("column 3",), "k.tsv": ("kind",)}.get(path.name, ("y",))


def _import(path: Path, out: Path) -> None:
    options = ImportOptions(targets=_targets(path))
    found = next((each for each in FORMATS if each.recognises(path)), None)
    # A changed first byte may make it a file of another format, in which targets are not named.
    if found is not None and "targets" not in found.takes:
        options = replace(options, targets=())
    import_dataset([path], out, options)


def _imported_by_a_child(path: Path) -> Child:
    def action(writer: int) -> int:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            _import(path, path.with_name("o.h5"))
        except DdpMlpError as error:
            os.write(writer, str(error).encode(errors="backslashreplace")[:4000])
            return _REFUSED if error.exit_code in {2, _REFUSED} else ESCAPED
        return 0

    return in_child(action, deadline_s=_DEADLINE_S)


def _check(row: Row, child: Child, label: str, path: Path, growth: int) -> None:
    kept = path.parent.parent / f"failed-{len(row.failures)}-{path.name}"
    failures = len(row.failures)
    row.trials += 1
    row.check(good=not child.timed_out, otherwise=f"{label}: still at it after {_DEADLINE_S:g} s")
    row.check(good=child.code in (0, _REFUSED), otherwise=f"{label}: ended with {child.code}: {child.said[-900:]}")
    row.check(good=growth < _ALLOWED_BYTES, otherwise=f"{label}: {growth / _MIB:.0f} MiB more memory")
    if child.code == _REFUSED:
        row.check(good=_is_a_message(child.said, path), otherwise=f"{label}: {child.said[:300]!r}")
    expected = {path.name} | ({"o.h5"} if child.code == 0 else set())
    found = {each.name for each in path.parent.iterdir()}
    row.check(good=found == expected, otherwise=f"{label}: files {sorted(found)}")
    if len(row.failures) > failures and (keep := os.environ.get("DDP_MLP_KEEP_FAILED")):
        kept = Path(keep) / kept.name
        kept.write_bytes(path.read_bytes())
    for each in path.parent.iterdir():
        each.unlink()


def _is_a_message(said: str, path: Path) -> bool:
    """Tell whether what was said is one line about the file, or one and a list."""
    first, *others = said.split("\n")
    return str(path) in first and len(first) < 2000 and all(line.startswith("  ") for line in others)
