"""MPICH under `srun --mpi=pmi2`: requests as long as Slurm reads them.

Ranks learn each other's addresses from a server of their launcher, which they ask line by line (PMI). That of
Slurm says that a value may have 1024 bytes, but takes a whole line by one read of 1024 (22.05, and the sources of
2024). MPICH fills the values with its address and with whatever lies in memory behind it, as hexadecimal digits
in which zeros are short. So it depends on that memory whether a line fits: now and then one does not, its rest is
taken for another request, and the ranks, given a broken address, end before they have met.
"""

from __future__ import annotations

import os
import re
import selectors
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from ddp_mlp.comm.launcher import pmi_socket

#: Of the 1024 bytes of a line, what is left beside a key (64 at most), the name of the step and the words.
_LONGEST_VALUE = 768
_CHUNK = 2**16


def shortened(answer: bytes) -> bytes:
    r"""Return an answer of the server, with no more room announced for values than its lines have.

    Examples
    --------
    >>> shortened(b"cmd=maxes rc=0 kvsname_max=256 keylen_max=64 vallen_max=1024\n")
    b'cmd=maxes rc=0 kvsname_max=256 keylen_max=64 vallen_max=768\n'
    >>> shortened(b"cmd=get_result rc=0 value=vallen_max=1024\n")
    b'cmd=get_result rc=0 value=vallen_max=1024\n'
    """
    return re.sub(
        rb"^(cmd=maxes .*\bvallen_max=)([0-9]+)",
        lambda found: found[1] + b"%d" % min(int(found[2]), _LONGEST_VALUE),
        answer,
    )


@contextmanager
def fitting_lines(environment: Mapping[str, str]) -> Iterator[None]:
    """Start MPI in this block: a step of Slurm is then asked in lines that it reads whole.

    A thread passes on what MPI and Slurm say to each other. After the block they talk directly again. MPI must
    be started without holding the interpreter.
    """
    descriptor = pmi_socket(environment) if "SLURM_STEP_ID" in environment else None
    if descriptor is None:
        yield
        return
    is_inherited = os.get_inheritable(descriptor)
    server = socket.socket(fileno=os.dup(descriptor))
    here, there = socket.socketpair()
    os.dup2(there.fileno(), descriptor, is_inherited)
    there.close()
    relay = threading.Thread(target=_pass_on, args=(here, server), name="pmi", daemon=True)
    relay.start()
    with server:
        try:
            yield
        finally:
            os.dup2(server.fileno(), descriptor, is_inherited)  # ends the other connection, and so the thread
            relay.join()


def _pass_on(client: socket.socket, server: socket.socket) -> None:
    """Pass on requests and answers until one side ends."""
    with client, suppress(OSError), selectors.DefaultSelector() as speaking:
        speaking.register(client, selectors.EVENT_READ, server.sendall)
        speaking.register(server, selectors.EVENT_READ, lambda answer: client.sendall(shortened(answer)))
        while True:
            for key, _ in speaking.select():
                message = os.read(key.fd, _CHUNK)
                if not message:
                    return
                key.data(message)
