"""What the environment says about the launcher."""

from __future__ import annotations

import pytest

from ddp_mlp.comm import SingleProcess, connect
from ddp_mlp.comm.launcher import expected_world_size, launcher_rank
from ddp_mlp.errors import DataError

LAUNCHERS = {
    "mpirun of Open MPI": ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
    "Hydra": ("PMI_SIZE", "PMI_RANK"),
    "srun": ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID"),
}


@pytest.mark.parametrize(("size", "rank"), LAUNCHERS.values(), ids=LAUNCHERS)
def test_each_launcher(size: str, rank: str) -> None:
    environment = {size: "12", rank: "7"}
    assert (expected_world_size(environment), launcher_rank(environment)) == (12, 7)


def test_without_a_launcher() -> None:
    assert (expected_world_size({}), launcher_rank({})) == (1, 0)


def test_the_innermost_launcher_counts() -> None:
    """`mpirun` within a job step of one task, as an sbatch script starts it."""
    for size, rank in list(LAUNCHERS.values())[:2]:
        environment = {size: "4", rank: "3", "SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"}
        assert (expected_world_size(environment), launcher_rank(environment)) == (4, 3)


def test_an_allocation_is_no_launcher() -> None:
    """Within salloc or sbatch, but not under srun: SLURM_NTASKS is what could be started."""
    assert expected_world_size({"SLURM_NTASKS": "64", "SLURM_JOB_ID": "1", "SLURM_NPROCS": "64"}) == 1


@pytest.mark.parametrize("text", ["", "-1", "four", "4.0", " "])
def test_what_is_no_number_is_passed_over(text: str) -> None:
    assert expected_world_size({"OMPI_COMM_WORLD_SIZE": text, "PMI_SIZE": "2"}) == 2
    assert launcher_rank({"PMI_RANK": text}) == 0


@pytest.mark.parametrize("environment", [{}, {"PMI_SIZE": "1"}, {"SLURM_STEP_NUM_TASKS": "1"}])
def test_one_process_needs_no_mpi(environment: dict[str, str]) -> None:
    with connect(environment) as comm:
        assert isinstance(comm, SingleProcess)


def test_errors_leave_the_world_as_they_are() -> None:
    error = DataError("as it is")
    with pytest.raises(DataError) as caught, connect({}):
        raise error
    assert caught.value is error
