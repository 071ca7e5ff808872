"""The library that mpi4py loads, asked in a child process."""

from __future__ import annotations

import subprocess

from ddp_mlp.comm.mpi.library import loaded_library


def test_what_libraries_print_is_no_part_of_the_answer(monkeypatch):
    """As UCX does on machines without /proc."""
    said = '[1795771069.06] [vm:1:0] sys.c:319  UCX  ERROR\n{"vendor": "mpich", "version": "MPICH 5", "path": ""}\n'
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, said, ""))
    loaded_library.cache_clear()
    try:
        assert loaded_library().vendor == "mpich"
    finally:
        loaded_library.cache_clear()
