"""What each rank of a launcher says, and how it ends."""

from __future__ import annotations

import pytest

from tests.runs import ddp_mlp


@pytest.mark.parametrize("variable", ["OMPI_COMM_WORLD_RANK", "PMI_RANK"])
def test_a_wrong_command_line_is_reported_by_rank_0_alone(tmp_path, variable):
    first = ddp_mlp("train", "c.toml", "--bogus", cwd=tmp_path, **{variable: "0"})
    assert (first.code, first.out, len(first.error_lines)) == (2, "", 1)
    # A launcher may end the job at the first failure, before rank 0 has come to speak.
    other = ddp_mlp("train", "c.toml", "--bogus", cwd=tmp_path, **{variable: "1"})
    assert (other.code, other.out, other.err) == (0, "", "")
