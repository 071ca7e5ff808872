"""What the environment says about how this process was started."""

from __future__ import annotations

from collections.abc import Mapping

#: Variables that hold the number of ranks, the innermost launcher first: `mpirun` of
#: Open MPI, Hydra (MPICH, Intel MPI) and `srun --mpi=pmi2`, plain `srun`.
_WORLD_SIZE = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS")
_RANK = ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID")


def _first_number(environment: Mapping[str, str], names: tuple[str, ...], otherwise: int) -> int:
    for name in names:
        if environment.get(name, "").isdigit():
            return int(environment[name])
    return otherwise


def expected_world_size(environment: Mapping[str, str]) -> int:
    """Return how many ranks the launcher says it has started, 1 without a launcher.

    Examples
    --------
    >>> expected_world_size({"PMI_SIZE": "4"})
    4
    >>> expected_world_size({})
    1
    """
    return _first_number(environment, _WORLD_SIZE, 1)


def slurm_job_id(environment: Mapping[str, str]) -> str:
    """Return the id of this Slurm job, empty outside of one.

    That of a task of an array has its index: the id of the array alone means all its tasks.

    Examples
    --------
    >>> slurm_job_id({"SLURM_JOB_ID": "9", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "2"})
    '7_2'
    >>> slurm_job_id({"SLURM_JOB_ID": "9"}), slurm_job_id({})
    ('9', '')
    """
    array, task = environment.get("SLURM_ARRAY_JOB_ID"), environment.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else environment.get("SLURM_JOB_ID", "")


def launcher_rank(environment: Mapping[str, str]) -> int:
    """Return the rank that the launcher gave to this process, 0 without a launcher."""
    return _first_number(environment, _RANK, 0)
