"""What each rank of a launcher says, and how it ends; who is no rank is never silent."""

from __future__ import annotations

import socket

import pytest

from tests.runs import ddp_mlp

#: What shells, containers and the children of ranks inherit from launchers that are long gone, or not theirs.
STRAY = {
    "a rank without a size": {"PMI_RANK": "1"},
    "a rank beyond the size": {"PMI_RANK": "4", "PMI_SIZE": "4"},
    "Hydra, no line": {"PMI_RANK": "1", "PMI_SIZE": "2"},
    "Hydra, a line that is closed": {"PMI_RANK": "1", "PMI_SIZE": "2", "PMI_FD": "77"},
    "a task of Slurm": {"SLURM_PROCID": "2"},
    "a task of a step": {"SLURM_PROCID": "2", "SLURM_STEP_NUM_TASKS": "4", "SLURM_JOB_ID": "1"},
    "Open MPI": {"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"},
    "numbers that are none": {"PMI_RANK": "²", "PMI_SIZE": "9" * 5000},
}


@pytest.mark.parametrize("variable", ["PMI_RANK"])
def test_a_wrong_command_line_is_reported_by_rank_0_alone(tmp_path, variable):
    ours, theirs = socket.socketpair()
    with ours, theirs:  # the line that Hydra opens to each of its ranks
        launched = {"PMI_SIZE": "2", "PMI_FD": str(theirs.fileno())}
        first = ddp_mlp("train", "c.toml", "--bogus", cwd=tmp_path, keep=theirs, PMI_RANK="0", **launched)
        assert (first.code, first.out, len(first.error_lines)) == (2, "", 1)
        # A launcher may end the job at the first failure, before rank 0 has come to speak.
        other = ddp_mlp("train", "c.toml", "--bogus", cwd=tmp_path, keep=theirs, PMI_RANK="1", **launched)
        assert (other.code, other.out, other.err) == (0, "", "")
