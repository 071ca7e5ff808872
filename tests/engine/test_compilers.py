"""Compiling in other processes: joined, heard of, verified, and done here where they fail."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence

import pytest

from ddp_mlp.core.kernels import machine_code
from ddp_mlp.core.kernels.compiling import UNITS
from ddp_mlp.core.kernels.entry_points import ENTRY_POINTS
from ddp_mlp.core.kernels.machine_code import TOGETHER
from ddp_mlp.core.kernels.numba_ext.cache import file_name
from ddp_mlp.core.kernels.unit_compiler import CODE, PART
from ddp_mlp.engine import compilers
from ddp_mlp.engine.compilers import compile_apart


def test_units_hold_every_kernel_once() -> None:
    held = [kernel for unit in UNITS.values() for kernel in (*unit.kernels, *unit.shared)]
    assert len(held) == len(set(held))
    assert [kernel.__name__ for unit in UNITS.values() for kernel in unit.kernels] == list(ENTRY_POINTS)
    assert sorted(sum(TOGETHER, ())) == sorted(UNITS)


def test_a_process_compiles_and_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the smallest unit alone, twice, joined; functions are numbered by the process."""
    monkeypatch.setattr(compilers, "TOGETHER", (("order",), ("order",)))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1}, raising=False)
    heard: list[int] = []
    code = compile_apart("float32", lambda: heard.append(1))
    assert 4 <= len(heard) <= 40
    assert [list(program.kernels) for program in machine_code.programs(code)] == [["shuffle"]] * 2


def _answer(monkeypatch: pytest.MonkeyPatch, *lines: bytes) -> list[tuple[str, ...]]:
    """Let processes print something else; return the units that are asked for."""
    asked: list[tuple[str, ...]] = []

    def start(_dtype: str, unit: Sequence[str]) -> subprocess.Popen[bytes]:
        asked.append(tuple(unit))
        program = f"import sys; sys.stdout.buffer.write({b''.join(lines)!r})"
        return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)

    monkeypatch.setattr(compilers, "_start", start)
    monkeypatch.setattr(compilers, "_compile_here", lambda _dtype: b"made here")
    return asked


def _code(code: bytes, name: str, length: int) -> bytes:
    return CODE + f" {name} {length}\n".encode() + code


@pytest.mark.parametrize(
    "answer",
    [b"", b"Traceback ...\n", PART + b"\n", _code(b"abc", "kernels-of-other-settings", 3), b"cut: " + CODE],
    ids=["nothing", "an error", "ended early", "other settings", "another line"],
)
def test_what_fails_in_processes_is_made_here(monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    _answer(monkeypatch, answer)
    assert compile_apart("float32", lambda: None) == b"made here"


def test_code_that_is_cut_short_is_made_here(monkeypatch: pytest.MonkeyPatch) -> None:
    _answer(monkeypatch, _code(b"ab", file_name("float32"), 3))
    assert compile_apart("float32", lambda: None) == b"made here"


def test_where_no_process_can_be_started_it_is_made_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilers, "_compile_here", lambda _dtype: b"made here")
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    assert compile_apart("float32", lambda: None) == b"made here"
    monkeypatch.setattr(sys, "executable", "")  # a program that Python is embedded in
    assert compile_apart("float32", lambda: None) == b"made here"


def test_other_lines_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    _answer(monkeypatch, b"module loaded\n", PART + b"\n", _code(b"a\nb", file_name("float32"), 3), b"bye\n")
    heard: list[int] = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0}, raising=False)
    assert compile_apart("float32", lambda: heard.append(1)) == b"a\nb"
    assert len(heard) == 1


@pytest.mark.parametrize(("cores", "n_processes"), [(1, 1), (2, 2), (64, 2)])
def test_there_are_as_many_processes_as_have_a_core(
    monkeypatch: pytest.MonkeyPatch, cores: int, n_processes: int
) -> None:
    asked = _answer(monkeypatch, b"")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(cores)), raising=False)
    compile_apart("float64", lambda: None)
    assert len(asked) == n_processes
    assert sorted(sum(asked, ())) == sorted(UNITS)


def test_a_compiler_ends_in_order() -> None:
    with compilers._start("float32", ("order",)) as compiler:
        assert compiler.stdout is not None
        assert CODE in compiler.stdout.read()
        assert compiler.wait(20) == 0


def test_a_compiler_ends_with_the_process_that_started_it() -> None:
    compiler = compilers._start("float32", ("step",))
    assert compiler.stdin is not None
    assert compiler.stdout is not None
    assert compiler.stdout.readline().rstrip() == PART
    reader = threading.Thread(target=compiler.stdout.read, daemon=True)
    reader.start()
    compiler.stdin.close()  # as the kernel does for a process that was killed
    assert compiler.wait(20) == 1
    compiler.stdout.close()
