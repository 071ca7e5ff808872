"""How this process was started, by its environment, and how far that can be believed."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ddp_mlp.errors import UsageError, literal

#: More ranks than this on one emulated node are a slip.
_MOST_PER_NODE = 10**6
#: Beginnings of the variables that make a process a rank; what they tune, such as PMIX_MCA_..., is the user's.
_RANKS_OWN = (
    "PMI_", "PMIX_", "OMPI_COMM_", "OMPI_UNIVERSE_", "PRTE_", "HYDI_", "MPI_LOCAL",
    "SLURM_STEP", "SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID", "SLURM_GTIDS", "SLURM_TASK_PID", "SLURM_SRUN_COMM_",
)  # fmt: skip
_USERS_OWN = ("PMIX_MCA_", "PRTE_MCA_")


@dataclass(frozen=True)
class Place:
    """The place in a world that the environment gives to this process.

    Attributes
    ----------
    variables : tuple of str
        Those that say so.
    is_answered : bool or None
        Whether the launcher holds a line to this very process. Variables are inherited by whatever a rank
        starts, and stay in shells; the line does not. None where that cannot be seen, as with plain `srun`,
        which has no line.
    """

    rank: int
    world_size: int
    variables: tuple[str, ...]
    is_answered: bool | None


def place_of(environment: Mapping[str, str]) -> Place | None:
    """Return the place that a launcher gave to this process among several; None for a process alone.

    Of nested launchers it is the one that answers, else the innermost. A rank without a number of ranks, or
    beyond it, is left over from another program.

    Examples
    --------
    >>> place_of({"PMI_SIZE": "4", "PMI_RANK": "3"})
    Place(rank=3, world_size=4, variables=('PMI_SIZE', 'PMI_RANK'), is_answered=None)
    >>> place_of({"PMI_RANK": "3"}), place_of({"PMI_SIZE": "1", "PMI_RANK": "0"})
    (None, None)
    """
    found = [place for names, answers in _LAUNCHERS if (place := _place(environment, names, answers))]
    chosen = next((place for place in found if place.is_answered), found[0] if found else None)
    return chosen if chosen and chosen.world_size > 1 else None


def _place(
    environment: Mapping[str, str], names: tuple[str, ...], answers: Callable[[Mapping[str, str]], bool | None]
) -> Place | None:
    size, rank = (_number(environment.get(name, "")) for name in names[:2])
    if not size or (rank or 0) >= size:
        return None
    return Place(rank or 0, size, tuple(name for name in names if name in environment), answers(environment))


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None


def expected_world_size(environment: Mapping[str, str]) -> int:
    """Return how many ranks the launcher says it has started, 1 without a launcher.

    Examples
    --------
    >>> expected_world_size({"PMI_SIZE": "4"})
    4
    >>> expected_world_size({})
    1
    """
    place = place_of(environment)
    return place.world_size if place else 1


def launcher_rank(environment: Mapping[str, str]) -> int:
    """Return the rank that the launcher gave to this process, 0 without a launcher."""
    place = place_of(environment)
    return place.rank if place else 0


def pmi_socket(environment: Mapping[str, str]) -> int | None:
    """Return the number of the socket that Hydra, and `srun --mpi=pmi2`, open in each rank; None if it is not open."""
    number = _number(environment.get("PMI_FD", ""))
    with suppress(OSError):
        if number is not None and stat.S_ISSOCK(os.fstat(number).st_mode):
            return number
    return None


def _pmi_answers(environment: Mapping[str, str]) -> bool | None:
    return pmi_socket(environment) is not None if "PMI_FD" in environment else None


def _pmix_answers(environment: Mapping[str, str]) -> bool | None:
    """Look for the server that Open MPI's launcher, and `srun --mpi=pmix`, run on each machine."""
    uris = [value for name, value in environment.items() if name.startswith("PMIX_SERVER_URI")]
    ports = [int(port) for uri in uris for port in re.findall(r"tcp[46]://[^;]*:([0-9]{1,5})(?:;|$)", uri)]
    return True if any(map(_listens, ports)) else None


def _either_answers(environment: Mapping[str, str]) -> bool | None:
    return _pmi_answers(environment) or _pmix_answers(environment)


#: Variables that hold the number of ranks and that of this one, what else belongs to them, and who answers; the
#: innermost launcher first: `mpirun` of Open MPI, Hydra (MPICH, Intel MPI) and `srun --mpi=pmi2`, plain `srun`.
_LAUNCHERS: tuple[tuple[tuple[str, ...], Callable[[Mapping[str, str]], bool | None]], ...] = (
    (("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"), _pmix_answers),
    (("PMI_SIZE", "PMI_RANK", "PMI_FD"), _pmi_answers),
    (("SLURM_STEP_NUM_TASKS", "SLURM_PROCID"), _either_answers),
)


def _listens(port: int) -> bool:
    """Tell whether a process of this machine waits for connections on a TCP port; asking it would disturb it."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                _, local, _, state = line.split()[:4]
                if state == "0A" and int(local.rpartition(":")[2], 16) == port:
                    return True
    return False


def is_rank_of_several(environment: Mapping[str, str]) -> bool:
    """Tell whether a launcher that is there has started this process and others with it."""
    place = place_of(environment)
    return place is not None and place.is_answered is True


def without_rank(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment for a process that is in the same batch job, if any, but none of its ranks."""
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(_USERS_OWN) or not name.startswith(_RANKS_OWN)
    }


def outside_any_job(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without the variables that tie a process to a launcher or a batch job.

    Examples
    --------
    >>> outside_any_job({"PMI_RANK": "1", "SLURM_JOB_ID": "7", "SLURM_CONF": "/etc/slurm.conf", "HOME": "/root"})
    {'SLURM_CONF': '/etc/slurm.conf', 'HOME': '/root'}
    """
    return {
        name: value
        for name, value in without_rank(environment).items()
        if name == "SLURM_CONF" or not name.startswith(("SLURM_", "HYDRA_"))
    }


def ranks_per_node(environment: Mapping[str, str]) -> int:
    """Return how many ranks make a node by ``DDP_MLP_RANKS_PER_NODE``, to try several on one machine; 0: as they are.

    Raises
    ------
    UsageError
        If that is no number of ranks.
    """
    text = environment.get("DDP_MLP_RANKS_PER_NODE", "")
    number = _number(text)
    if text and not (number and number <= _MOST_PER_NODE):
        raise UsageError(
            f"DDP_MLP_RANKS_PER_NODE = {literal(text)}: must be a whole number from 1 to {_MOST_PER_NODE:,}; "
            "unset it to take the machines as they are"
        )
    return number or 0


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
