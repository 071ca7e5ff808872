"""Kernels ahead of time: into the cache that was chosen, for whoever can list it."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import zipfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from ddp_mlp.catalog.dtypes import DTYPES
from ddp_mlp.cli.commands.compile import compile as command
from ddp_mlp.core.kernels.numba_ext import cache
from ddp_mlp.engine import ahead
from ddp_mlp.errors import OutputError

assert isinstance(command, click.Command)


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep caches in directories of the test, and compile nothing."""
    monkeypatch.setenv("DDP_MLP_CACHE_DIR", str(tmp_path / "site"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nodes"))  # what serves nodes without homes

    def made(dtype: str, heard: Callable[[], None]) -> bytes:
        heard()
        return dtype.encode()

    monkeypatch.setattr(ahead, "compile_apart", made)
    return tmp_path / "site"


def kernels(*options: str) -> list[dict[str, object]]:
    done = CliRunner().invoke(command, [*options, "--json"], catch_exceptions=False)
    found: list[dict[str, object]] = json.loads(done.stdout)["kernels"]
    return found


def test_all_dtypes_are_compiled_once(root: Path) -> None:
    first, second = kernels(), kernels()
    assert [(made["dtype"], made["compiled"]) for made in first] == [(dtype, True) for dtype in DTYPES]
    assert [made["compiled"] for made in second] == [False] * len(DTYPES)
    assert sorted(str(path) for path in root.iterdir()) == sorted(str(made["file"]) for made in first)
    assert cache.read_code("float64") == b"float64"


def test_one_dtype_is_compiled_where_that_is_asked_for(root: Path) -> None:
    assert [made["dtype"] for made in kernels("--dtype", "float64")] == ["float64"]
    assert cache.read_code("float32") is None


def test_people_are_told_where_they_are(root: Path) -> None:
    done = CliRunner().invoke(command, ["--dtype", "float32"], catch_exceptions=False)
    lines = done.stderr.splitlines()
    assert lines[0] == "compiling kernels for float32"
    assert lines[-1].startswith(f"float32: {root}/kernels-float32-")


def test_what_a_user_has_is_no_shared_cache(root: Path, tmp_path: Path) -> None:
    """They are made for others, who do not read what lies in a home."""
    root.mkdir()
    root.chmod(0o777)
    with pytest.raises(OutputError, match=f"cannot be kept in {root}.*DDP_MLP_CACHE_DIR"):
        kernels()
    root.chmod(0o755)
    assert kernels()[0]["compiled"] is True
    assert {path.stat().st_mode & 0o777 for path in root.iterdir()} == {0o644}


@pytest.mark.parametrize("fault", ["closed", "others write", "a file", "a link to itself"])
def test_a_cache_that_cannot_keep_them_is_refused_before_they_are_compiled(
    root: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "compile_apart", lambda *_: pytest.fail("they were compiled"))
    if fault == "a file":
        root.write_bytes(b"")
    elif fault == "a link to itself":
        root.symlink_to(root)
    else:
        root.mkdir()
        root.chmod(0o777 if fault == "others write" else 0o755)
    if fault == "closed":
        monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    with pytest.raises(OutputError, match=f"cannot be kept in {root}"):
        kernels()


def test_they_are_written_into_a_wheel_as_well_and_those_in_it_stay(root: Path, tmp_path: Path) -> None:
    made = kernels("--dtype", "float32", "--wheel", str(tmp_path / "wheels"))
    made += kernels("--dtype", "float64", "--wheel", str(tmp_path / "wheels"))
    (path,) = (tmp_path / "wheels").iterdir()
    with zipfile.ZipFile(path) as wheel:
        found = {name: wheel.read(name) for name in wheel.namelist()}
    for kernel in made:
        file = Path(str(kernel["file"]))
        assert found[f"ddp_mlp_kernels/{file.name}"] == file.read_bytes()
    (record,) = (found[name].decode() for name in found if name.endswith("/RECORD"))
    assert [line.split(",")[0] for line in record.splitlines()] == list(found)
    (about,) = (found[name].decode() for name in found if name.endswith("/METADATA"))
    assert {f"Requires-Dist: {name}=={version(name)}" for name in ("ddp-mlp", "numba", "numpy")} < set(
        about.split("\n")
    )
    before = path.read_bytes()
    kernels("--dtype", "float64", "--dtype", "float32", "--wheel", str(tmp_path / "wheels"))
    assert path.read_bytes() == before, "the same kernels make the same wheel"


def test_what_is_no_wheel_is_left_as_it_is(root: Path, tmp_path: Path) -> None:
    kernels("--wheel", str(tmp_path))
    (path,) = tmp_path.glob("*.whl")
    path.write_text("something else")
    with pytest.raises(OutputError, match=r"no wheel.*remove it"):
        kernels("--wheel", str(tmp_path))
    assert path.read_text() == "something else"


def test_several_types_of_cpu_have_a_process_each(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        isa = command[command.index("--isa") + 1]
        asked.append(isa)
        made = {"dtype": "float32", "isa": isa, "file": f"/{isa}", "compiled": True}
        return subprocess.CompletedProcess(
            command, 0 if isa != "native" else 5, json.dumps({"kernels": [made]}).encode()
        )

    monkeypatch.setattr(subprocess, "run", run)
    done = CliRunner().invoke(command, ["--isa", "haswell", "--isa", "skylake-avx512"], catch_exceptions=False)
    assert done.stderr.splitlines() == ["float32, haswell: /haswell", "float32, skylake-avx512: /skylake-avx512"]
    failed = CliRunner().invoke(command, ["--isa", "native", "--isa", "haswell"], catch_exceptions=False)
    assert (failed.exit_code, asked) == (5, ["haswell", "skylake-avx512", "native"])


def test_only_types_of_cpus_that_are_known(root: Path) -> None:
    done = CliRunner().invoke(command, ["--isa", "pentium"])
    assert done.exit_code == 2
    assert "'haswell'" in done.stderr
