"""What each rank of a launcher says, and how it ends; who has joined no other rank is never silent."""

from __future__ import annotations

import socket

import pytest

from tests.warm import command

#: What shells, containers and the children of ranks inherit from launchers that are gone, or not theirs, and the
#: exit code of a command that would meet other ranks: that of the missing file where the process is alone.
STRAY = {
    "a rank without a size": ({"PMI_RANK": "1"}, 66),
    "a rank beyond the size": ({"PMI_RANK": "4", "PMI_SIZE": "4"}, 66),
    "a size of one": ({"PMI_RANK": "0", "PMI_SIZE": "1", "PMI_FD": "77"}, 66),
    "Hydra, no line": ({"PMI_RANK": "1", "PMI_SIZE": "2"}, 76),
    "Hydra, a line that is closed": ({"PMI_RANK": "1", "PMI_SIZE": "2", "PMI_FD": "77"}, 76),
    "Hydra, a line that is a file": ({"PMI_RANK": "1", "PMI_SIZE": "2", "PMI_FD": "0"}, 76),
    "Hydra, a size only": ({"PMI_SIZE": "2"}, 76),
    "a task of Slurm": ({"SLURM_PROCID": "2"}, 66),
    "a task of a step": ({"SLURM_PROCID": "2", "SLURM_STEP_NUM_TASKS": "4", "SLURM_JOB_ID": "1"}, 76),
    "an allocation": ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_JOB_ID": "1"}, 66),
    "Open MPI": ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"}, 76),
    "Open MPI, a rank only": ({"OMPI_COMM_WORLD_RANK": "1"}, 66),
    "numbers that are none": ({"PMI_RANK": "²", "PMI_SIZE": "9" * 5000}, 66),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("launched")
    (path / "c.toml").write_text('[data]\ntrain = "m.h5"\n')
    return path


@pytest.mark.parametrize("stray", STRAY)
def test_a_process_that_joined_nobody_is_not_silent(folder, stray):
    environment, code = STRAY[stray]
    for arguments, expected in (
        (["train", "c.toml", "--dry-run"], 0),
        (["trian", "c.toml"], 2),
        (["evaluate", "no", "no.h5"], code),
    ):
        ended = command(*arguments, cwd=folder, environment=environment)
        assert ended.code == expected, (arguments, ended)
        assert bool(ended.out) == (expected == 0), (arguments, ended)
        assert len(ended.err.splitlines()) == len(ended.error_lines) == (expected != 0), (arguments, ended)
    if code == 76:
        assert "to run alone: ddp-mlp launch -n 1 ..., or env -u " in ended.err
        assert all(f"-u {name} " in ended.err for name in environment if name != "SLURM_JOB_ID")


def test_a_wrong_command_line_is_reported_by_rank_0_alone(folder):
    ours, theirs = socket.socketpair()
    with ours, theirs:  # the line that Hydra opens to each of its ranks
        line = {"PMI_SIZE": "2", "PMI_FD": str(theirs.fileno())}
        first = command("train", "c.toml", "--bogus", cwd=folder, environment={"PMI_RANK": "0", **line})
        assert (first.code, first.out, len(first.error_lines)) == (2, "", 1)
        # A launcher may end the job at the first failure, before rank 0 has come to speak.
        other = command("train", "c.toml", "--bogus", cwd=folder, environment={"PMI_RANK": "1", **line})
        assert (other.code, other.out, other.err) == (0, "", "")


@pytest.mark.parametrize("text", ["abc", "0", "-1", "1.5", "²", "9" * 5000, "1e3", " "])
def test_nodes_of_no_size_are_refused_once(folder, text):
    for arguments in (["launch", "-n", "2", "train", "c.toml"], ["train", "c.toml"]):
        ended = command(*arguments, cwd=folder, environment={"DDP_MLP_RANKS_PER_NODE": text})
        assert (ended.code, ended.out, len(ended.error_lines)) == (2, "", 1), ended
        assert "must be a whole number from 1 to 1,000,000" in ended.err
    assert [path.name for path in folder.iterdir()] == ["c.toml"]
