"""Commands of studies: the ranks meet before anything is loaded that plans a study."""

from __future__ import annotations

import subprocess
import sys

import pytest

_LOOK = """
import sys
import ddp_mlp.comm as comm
def look(): print(*[name for name in ("numba", "llvmlite", "h5py", "optuna") if name in sys.modules]); sys.exit(0)
comm.connect = look
from ddp_mlp.__main__ import main
main()
"""


@pytest.mark.parametrize(
    "words",
    [("train",), ("search", "--try", "train.seed=[1, 2]"), ("cross-validate",), ("ensemble", "--members", "2")],
    ids=lambda words: words[0],
)
def test_the_ranks_meet_before_a_study_is_planned(tmp_path, words):
    """What uses memory before that is sent by the client of PMI2 in MPICH 5.0, which `srun` then refuses."""
    (tmp_path / "c.toml").write_text('[data]\ntrain = "rows.h5"\n')
    command = [sys.executable, "-c", _LOOK, words[0], "c.toml", *words[1:]]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "\n"), done.stderr
