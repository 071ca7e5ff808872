"""The choice of ranks and threads; the times are made up but for one trial under the launcher."""

from __future__ import annotations

import json
import os

import pytest

from ddp_mlp.cluster.plan import auto
from ddp_mlp.cluster.plan.auto import Placement, candidates, choose, choose_placement
from ddp_mlp.errors import LaunchError, counted
from tests.runs import ddp_mlp, prepare


def test_every_candidate_fits_the_cores_and_the_micro_batches():
    for cores in (1, 2, 3, 6, 64):
        for most in (None, 1, 2, 4, 100):
            found = candidates(cores, most, has_mpi=True)
            assert found[0] == (1, 1)
            assert all(ranks * threads <= min(cores, most or cores) for ranks, threads in found)
            assert len(found) == len(set(found)) <= 6
    assert candidates(2, None, has_mpi=True) == [(1, 1), (1, 2), (2, 1)]
    assert candidates(6, None, has_mpi=False) == [(1, 1), (1, 2), (1, 6)]


def test_the_fastest_is_taken_and_among_equals_the_smallest():
    assert choose([Placement(1, 1, 3.0), Placement(2, 1, 1.0), Placement(1, 2, 1.5)]) == Placement(2, 1, 1.0)
    assert choose([Placement(2, 1, 1.0), Placement(1, 2, 1.01)]) == Placement(1, 2, 1.01)
    assert choose([Placement(1, 1, 1.02), Placement(2, 1, 1.0)]) == Placement(1, 1, 1.02)


@pytest.fixture
def config(tmp_path, monkeypatch):
    path = prepare(tmp_path, '[data]\ntrain = "moons.h5"\n', "moons", 100) / "c.toml"
    monkeypatch.setattr(auto, "cache_root", lambda: tmp_path / "cache")
    monkeypatch.setattr(auto, "ready_kernels", lambda *_: None)
    monkeypatch.setattr(auto, "_has_mpi", lambda: True)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    return path


def test_a_choice_is_made_once_and_remembered(config):
    tried, told = [], []

    def attempt(ranks, threads, *_):
        tried.append((ranks, threads))
        return {(1, 1): 4.0, (1, 2): 3.0}.get((ranks, threads))  # two ranks cannot be started here

    assert choose_placement(config, [], None, told.append, attempt) == (1, 2)
    assert tried == [(1, 1), (1, 2), (2, 1)]
    assert "1 rank x 2 threads" in told[0]
    assert "1 x 1: 4,000,000 us, 1 x 2: 3,000,000 us" in told[0]
    assert choose_placement(config, [], None, told.append, attempt) == (1, 2)
    assert len(tried) == 3
    assert "measured before" in told[1]


def test_another_network_or_limit_is_tried_anew_and_damage_is_no_memory(config):
    tried = []

    def attempt(ranks, threads, *_):
        tried.append((ranks, threads))
        return 1.0

    for overrides, most in ([], None), (["model.hidden=[3]"], None), ([], 1), (["train.micro_batches=1"], None):
        before = len(tried)
        choose_placement(config, overrides, most, str, attempt)
        assert len(tried) > before
        assert most != 1 or tried[before:] == [(1, 1)]
    assert tried[-1] == (1, 1)
    for memory in auto.cache_root().glob("placement-*.json"):
        memory.write_text('[["a"]]')
    before = len(tried)
    choose_placement(config, [], None, str, attempt)
    assert len(tried) == before + 3
    assert all(json.loads(memory.read_text()) for memory in auto.cache_root().glob("placement-*.json")) is True


def test_where_nothing_can_be_started_it_says_so(config):
    with pytest.raises(LaunchError, match="start with -n 1"):
        choose_placement(config, [], None, str, lambda *_: None)
    assert not list(auto.cache_root().glob("*"))


@pytest.mark.thorough
@pytest.mark.mpi
def test_launch_auto_trains_and_says_what_it_chose(config, tmp_path):
    cache = {"DDP_MLP_CACHE_DIR": str(tmp_path / "own-cache")}
    command = ("launch", "-n", "auto", "train", "c.toml", "--set", "train.epochs=1", "--json")
    first = ddp_mlp(*command, "--out", "a", cwd=tmp_path, **cache)
    second = ddp_mlp(*command, "--out", "b", cwd=tmp_path, **cache)
    for finished in (first, second):
        result = finished.result
        chosen = f"-n auto: {counted(result['world_size'], 'rank')} x {counted(result['threads_per_rank'], 'thread')}"
        assert chosen in finished.err
    assert "a step with ranks x threads of 1 x 1: " in first.err
    assert "measured before" in second.err


def test_other_commands_want_a_number(tmp_path):
    refused = ddp_mlp("launch", "-n", "auto", "evaluate", "m.h5", "d.h5", cwd=tmp_path)
    assert refused.code == 2
    assert len(refused.error_lines) == 1
    wrong = ddp_mlp("launch", "-n", "0", "train", "c.toml", cwd=tmp_path)
    assert wrong.code == 2
    assert "is no number of ranks" in wrong.err
