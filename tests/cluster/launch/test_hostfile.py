"""Ranks on the machines of a hostfile, which are started through ssh; here through something that looks like it."""

from __future__ import annotations

import json
import os

import pytest

from ddp_mlp.cluster.launch import launch as launching
from ddp_mlp.cluster.launch.hostfile import Host, parse_hosts, ranks_on, still_there
from ddp_mlp.cluster.launch.launch import launch_command
from ddp_mlp.cluster.launch.launchers import Launcher
from ddp_mlp.comm.mpi.library import loaded_library
from ddp_mlp.errors import UsageError
from tests.runs import ddp_mlp, make_data

HOSTS = (Host("n1", 4), Host("n2", 2))


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "n1 n2", "n1:0", "n1:-1", "n1 slots=", "-oProxyCommand=x", "n1,n2"]
)
def test_lines_that_are_no_hosts(text):
    with pytest.raises(UsageError, match="name:4 or name slots=4"):
        parse_hosts(text, "hosts")


def test_ranks_fill_the_slots_and_no_more():
    assert (ranks_on(HOSTS, None), ranks_on(HOSTS, 3)) == (6, 3)
    with pytest.raises(UsageError, match="6 slots"):
        ranks_on(HOSTS, 7)


def test_each_vendor_is_told_its_way(monkeypatch):
    monkeypatch.setenv("DDP_MLP_CACHE_DIR", "/x")
    mpich = launch_command(Launcher("m", "mpich"), 6, ["train"], HOSTS)
    assert mpich[1:5] == ["-n", "6", "-hosts", "n1:4,n2:2"]
    openmpi = launch_command(Launcher("m", "openmpi"), 6, ["train"], HOSTS)
    assert openmpi[openmpi.index("--host") + 1] == "n1:4,n2:2"
    assert "--oversubscribe" not in openmpi
    told = [openmpi[i + 1] for i, word in enumerate(openmpi) if word == "-x"]
    assert {"DDP_MLP_CACHE_DIR", "DDP_MLP_THREADS_PER_RANK"} <= {*told}


@pytest.fixture
def some_hosts_gone(tmp_path, monkeypatch):
    """An ssh that reaches every machine but those whose names are files."""
    ssh = tmp_path / "bin" / "ssh"
    ssh.parent.mkdir()
    ssh.write_text(f"#!/bin/bash\nfor word; do [[ -e {tmp_path}/gone-$word ]] && exit 255; done; exit 0\n")
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ssh.parent}:{os.environ['PATH']}")
    return lambda *names: [(tmp_path / f"gone-{name}").touch() for name in names]


def test_hosts_that_are_gone_are_left_out(some_hosts_gone):
    assert still_there(HOSTS) == HOSTS
    some_hosts_gone("n1")
    assert still_there(HOSTS) == HOSTS[1:]
    some_hosts_gone("n2")
    assert still_there(HOSTS) == HOSTS, "not a single one: then it is ssh that does not work"


def test_a_restart_goes_on_with_the_hosts_that_are_left(some_hosts_gone, monkeypatch, tmp_path):
    commands, said = [], []

    def run_job(command, environment, requests):
        commands.append(command)
        some_hosts_gone("n2")
        return 70 if len(commands) == 1 else 0

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(launching, "run_job", run_job)
    monkeypatch.setattr(launching, "find_launcher", lambda: Launcher("m", "mpich"))
    assert launching.launch(5, 1, ["train", "c.toml"], said.append, max_restarts=2, hosts=HOSTS) == 0
    assert [command[1:5] for command in commands] == [["-n", "5", "-hosts", "n1:4,n2:2"], ["-n", "4", "-hosts", "n1:4"]]
    assert any("n2 cannot be reached; going on with 1 host" in line for line in said)


@pytest.mark.mpi
def test_ranks_of_two_hosts_work_together(tmp_path):
    ssh = tmp_path / "bin" / "ssh"
    ssh.parent.mkdir()
    skip_options = "while [[ $1 == -* ]]; do shift; done"
    ssh.write_text(f'#!/bin/bash\n{skip_options}\necho "$1" >> {tmp_path}/reached\nshift\nexec bash -c "$*"\n')
    ssh.chmod(0o755)
    (tmp_path / "hosts").write_text("node-a slots=1\nnode-b:1\n")
    (tmp_path / "c.toml").write_text('[data]\ntrain = "m.h5"\n[train]\nepochs = 2\nmicro_batches = 2\n')
    make_data(tmp_path, "moons", 400, out="m.h5")
    path = f"{ssh.parent}:{os.environ['PATH']}"
    if loaded_library().vendor == "openmpi":  # it does not believe that one machine is two
        done = ddp_mlp("launch", "--hostfile", "hosts", "train", "--help", cwd=tmp_path, PATH=path)
        assert (done.code, done.out.count("Usage:")) == (0, 1), done.err
        assert sorted((tmp_path / "reached").read_text().split()) == ["node-a", "node-b"]
        return
    train = ("train", "c.toml", "--out", "far", "--json")
    done = ddp_mlp("launch", "--hostfile", "hosts", *train, cwd=tmp_path, PATH=path, HYDRA_LAUNCHER="ssh")
    far = json.loads(done.out) if done.code == 0 else pytest.fail(done.err)
    assert sorted((tmp_path / "reached").read_text().split()) == ["node-a", "node-b"]
    near = ddp_mlp("train", "c.toml", "--out", "near", "--json", cwd=tmp_path).result
    assert (far["world_size"], far["weights_sha256"]) == (2, near["weights_sha256"])


def test_what_cannot_be_meant_is_one_line(tmp_path):
    (tmp_path / "hosts").write_text("n1:2\n")
    for options, code in (
        (("train", "c.toml"), 2),
        (("--hostfile", "none", "train", "c.toml"), 66),
        (("-n", "3", "--hostfile", "hosts", "train", "c.toml"), 2),
        (("-n", "auto", "--hostfile", "hosts", "train", "c.toml"), 2),
    ):
        done = ddp_mlp("launch", *options, cwd=tmp_path)
        assert (done.code, len(done.error_lines)) == (code, 1), done.err
