"""CPU types that differ: between the nodes of a job, or between a job and the one that it goes on from."""

from __future__ import annotations

import json
from collections.abc import Mapping

from ddp_mlp.comm import Communicator
from ddp_mlp.core.kernels.numba_ext.hardware import slow_products

_REMEDY = 'to keep them on all, begin a run with [train] isa = "haswell" or another type that they share'


def remarks_on_hardware(comm: Communicator, own: Mapping[str, str], dtype: str) -> list[str]:
    """Collective. Return lines for the user: that ranks run on different types of CPU, that a dtype is slow on ours."""
    mixed = mixed_hardware(comm, own)
    return [line for line in (f"warning: {mixed}" if mixed else "", slow_products(dtype)) if line]


def mixed_hardware(comm: Communicator, own: Mapping[str, str]) -> str:
    """Collective. Return a warning where ranks run on different types of CPU; empty if they do not."""
    texts = comm.share_text(json.dumps([comm.host, dict(own)]))
    (first_host, first), *others = map(json.loads, texts)
    for rank, (host, found) in enumerate(others, start=1):
        if found != first:
            return (
                f"rank {rank} on {host} runs on {_named(found)}, rank 0 on {first_host} on {_named(first)}: "
                f"the bits depend on which of them computes what; {_REMEDY}"
            )
    return ""


def other_hardware(written_by: Mapping[str, str], own: Mapping[str, str]) -> str:
    """Return a warning where a checkpoint was written on another type of CPU; empty if it was not."""
    recorded = {name: written_by[name] for name in own if name in written_by}
    if not recorded or recorded == dict(own):
        return ""
    return (
        f"the checkpoint was written on {_named(recorded)}, this is {_named(own)}: "
        f"from here on the bits are not those of a run that stayed there; {_REMEDY}"
    )


def _named(hardware: Mapping[str, str]) -> str:
    return f"{hardware.get('machine')} (LLVM for {hardware.get('llvm_cpu')}/{hardware.get('llvm_features')})"
