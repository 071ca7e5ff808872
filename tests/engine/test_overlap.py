"""Layers that travel by themselves: each as soon as it is ready, in their order, and only where that is faster."""

from __future__ import annotations

import time

import numpy as np
import pytest

from ddp_mlp.comm import Communicator, SingleProcess
from ddp_mlp.core.kernels.parallel.words import LAYER_WORDS, READY
from ddp_mlp.core.layout import Layout, digest
from ddp_mlp.core.network import Network
from ddp_mlp.engine import engine as engines
from ddp_mlp.engine.overlap import LayerSender, OverlapChoice
from tests.building import engine_of, network_of, parameters_of, resident_of
from tests.thread_world import run_ranks

DEADLINE_S = 20.0


class Recorded:
    """A transfer that takes a few looks, and writes down when it begins and ends."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name, self.log, self.looks = name, log, 0

    def start(self) -> None:
        self.log.append(f"{self.name} begins")
        self.looks = 3

    def is_done(self) -> bool:
        self.looks -= 1
        if self.looks == 0:
            self.log.append(f"{self.name} ends")
        return self.looks == 0

    def run(self) -> None:
        raise AssertionError

    def free(self) -> None:
        raise AssertionError


def wait_for(log: list[str], length: int) -> None:
    until = time.monotonic() + DEADLINE_S
    while len(log) < length:
        assert time.monotonic() < until
        time.sleep(0.001)


def test_each_group_leaves_when_all_its_layers_are_ready() -> None:
    log: list[str] = []
    words = np.zeros(3 * LAYER_WORDS, np.int64)
    sender = LayerSender(words, [((2, 1), Recorded("top", log)), ((0,), Recorded("bottom", log))])
    try:
        for count in (1, 2):
            sender.begin()
            words[2 * LAYER_WORDS + READY] = count
            time.sleep(0.05)
            assert log == [], "layer 1 is missing"
            words[1 * LAYER_WORDS + READY] = count
            wait_for(log, 2)
            time.sleep(0.05)
            assert log == ["top begins", "top ends"]
            words[READY] = count
            sender.wait()
            assert log[2:] == ["bottom begins", "bottom ends"]
            log.clear()
    finally:
        sender.close()


def test_what_goes_wrong_is_raised_where_it_is_waited_for() -> None:
    class Broken(Recorded):
        def start(self) -> None:
            raise ConnectionError("the other node is gone")

    words = np.ones(LAYER_WORDS, np.int64)
    sender = LayerSender(words, [((0,), Broken("broken", []))])
    sender.begin()
    with pytest.raises(ConnectionError, match="the other node is gone"):
        sender.wait()
    sender.close()


@pytest.mark.parametrize(("without_s", "with_s", "is_on"), [(2.0, 1.0, True), (1.0, 2.0, False), (1.0, 1.0, False)])
def test_a_trial_takes_what_is_faster(without_s: float, with_s: float, is_on: bool) -> None:
    choice = OverlapChoice("auto")
    assert not choice.is_on
    choice.tried(without_s)
    assert choice.is_on
    assert not choice.is_decided
    choice.tried(with_s)
    assert (choice.is_on, choice.is_decided) == (is_on, True)


@pytest.mark.parametrize("said", [True, False])
def test_what_is_configured_is_not_tried(said: bool) -> None:
    choice = OverlapChoice(said)
    assert (choice.is_on, choice.is_decided) == (said, True)


#: Several groups of layers, and a network whose weights are complete at the end only.
NETWORKS = {
    "several groups": network_of((9, 5, 2, 5, 9)),
    "tied": Network(Layout((9, 5, 2, 5, 9), tied=True), ("tanh",) * 3 + ("identity",), "mse", "linear"),
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("node_sizes", [(1, 1), (2, 1), (1, 3)])
def test_layers_that_travel_by_themselves_change_no_bit(
    node_sizes: tuple[int, ...], name: str, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of nodes whose workers are left with one sum, or with several, after one micro-batch or more of each."""
    network, x = NETWORKS[name], rng.normal(0, 1, (50, 9))
    theta = parameters_of(network, rng)
    monkeypatch.setattr(engines, "GROUP_BYTES", 200)

    def trained(comm: Communicator, *, overlaps: bool) -> str:
        how = {"micro_batches": 8, "batch": 20, "comm": comm, "shards": True, "overlaps": overlaps}
        with engine_of(network, resident_of(x, x), theta, "momentum", **how) as engine:
            engine.run([(0, 20), (20, 40), (40, 43), (43, 50)], [(0.1, 0.9)] * 4)
            return digest(engine.parameters)

    found = run_ranks(node_sizes, lambda comm: trained(comm, overlaps=True))
    assert set(found) == {trained(SingleProcess(), overlaps=False)}
