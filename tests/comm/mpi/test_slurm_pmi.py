"""MPI's connection to Slurm while it starts, with a server that reads as Slurm's does."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from ddp_mlp.comm.mpi.slurm_pmi import fitting_lines

LINE = 1024
ANSWERS = {
    b"cmd=init pmi_version=1 pmi_subversion=1\n": b"cmd=response_to_init rc=0 pmi_version=1 pmi_subversion=1\n",
    b"cmd=get_maxes\n": b"cmd=maxes rc=0 kvsname_max=256 keylen_max=64 vallen_max=1024\n",
}


@pytest.fixture
def step():
    """A server that takes a line by one read, the lines that it has taken, and the number of the client's socket."""
    client, server = socket.socketpair()
    taken = []

    def serve():
        with server:
            while line := server.recv(LINE):
                taken.append(line)
                server.sendall(ANSWERS.get(line, b"cmd=put_result rc=0\n" if line.endswith(b"\n") else b"broken\n"))

    thread = threading.Thread(target=serve)
    thread.start()
    yield client.fileno(), taken
    client.close()
    thread.join(10)
    assert not thread.is_alive()


def ask(number, line):
    os.write(number, line)
    return os.read(number, LINE)


def put(room):
    """The longest request for so much room, in a job with a long number."""
    return b"cmd=put kvsname=4294967295.4294967295 key=%s value=%s\n" % (b"k" * 64, b"A" * (room - 1))


def room_of(answer):
    return int(answer.rpartition(b"=")[2])


def count():
    """What is open and at work in this process."""
    return len([*Path("/proc/self/fd").iterdir()]), threading.active_count()


def test_values_are_announced_so_that_their_lines_fit(step):
    number, taken = step
    assert len(put(room_of(ask(number, b"cmd=get_maxes\n")))) > LINE
    with fitting_lines({"PMI_FD": str(number), "SLURM_STEP_ID": "0"}):
        assert ask(number, b"cmd=init pmi_version=1 pmi_subversion=1\n").startswith(b"cmd=response_to_init rc=0")
        longest = put(room_of(ask(number, b"cmd=get_maxes\n")))
        assert len(longest) <= LINE
        assert ask(number, longest) == b"cmd=put_result rc=0\n"
    assert taken[-1] == longest
    assert ask(number, b"cmd=get_maxes\n").endswith(b"vallen_max=1024\n")  # directly again


def test_nothing_is_left_behind(step):
    number, _ = step
    before, is_inheritable = count(), os.get_inheritable(number)
    with pytest.raises(RuntimeError), fitting_lines({"PMI_FD": str(number), "SLURM_STEP_ID": "0"}):
        raise RuntimeError
    assert (count(), os.get_inheritable(number)) == (before, is_inheritable)


def test_a_server_that_ends_is_an_end_for_the_client():
    client, server = socket.socketpair()
    with client, fitting_lines({"PMI_FD": str(client.fileno()), "SLURM_STEP_ID": "0"}):
        server.close()
        assert client.recv(1) == b""


@pytest.mark.parametrize("environment", [{}, {"SLURM_STEP_ID": "0"}, {"SLURM_STEP_ID": "0", "PMI_FD": "x"}])
def test_other_starts_are_left_alone(environment):
    before = threading.active_count()
    with fitting_lines(environment):
        assert threading.active_count() == before


def test_the_launcher_of_mpich_is_asked_directly(step):
    number, _ = step
    with fitting_lines({"PMI_FD": str(number)}):
        assert ask(number, b"cmd=get_maxes\n").endswith(b"vallen_max=1024\n")
