"""Commands beside training: they give way to it, unless somebody waits for a short look."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from ddp_mlp.service.web.children import Children

WAITING = """
import os, sys, time
for _ in range(int(sys.argv[1])):
    if os.nice(0) != int(sys.argv[2]):
        break
    time.sleep(0.01)
print(os.nice(0))
"""


@pytest.mark.parametrize("gives_way", [True, False])
def test_jobs_go_first(tmp_path: Path, gives_way: bool):
    (tmp_path / "waiting.py").write_text(WAITING)
    own = os.nice(0)
    children = Children(tmp_path, tmp_path)
    turns = "1000" if gives_way else "10"
    out, _ = asyncio.run(children.run(turns, str(own), module="waiting", gives_way=gives_way))
    assert int(out) == (max(10, own) if gives_way else own)
