"""One rank of each node compiles, all others get what it made, and nobody gives up meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ddp_mlp.catalog.activations import ACTIVATIONS
from ddp_mlp.catalog.losses import LOSSES
from ddp_mlp.catalog.optimizers import OPTIMIZERS
from ddp_mlp.comm import SingleProcess
from ddp_mlp.comm.agreement import is_agreed
from ddp_mlp.comm.liveness.watchdog import Watchdog
from ddp_mlp.core.layout import Layout
from ddp_mlp.engine import compilation
from ddp_mlp.engine.compilation import ready_kernels
from ddp_mlp.engine.compilers import N_FUNCTIONS
from ddp_mlp.engine.evaluation import Evaluator
from ddp_mlp.errors import StoppedError
from tests.building import compilations, engine_of, network_of, parameters_of, resident_of, targets_for

#: Seconds that ranks wait for each other; more than a poll, since threads of busy machines are late.
TIMEOUT_S = 1.0


class World:
    """Ranks that are threads of this process, on two nodes of two; `aborted` holds the codes of watchdogs."""

    size = 4

    def __init__(self) -> None:
        self.meeting = threading.Barrier(self.size)
        self.texts = [""] * self.size
        self.nodes = [threading.Barrier(2) for _ in range(2)]
        self.memory: list[Any] = [None, None]
        self.aborted: list[int] = []


class Rank(SingleProcess):
    """One of these ranks."""

    def __init__(self, world: World, rank: int) -> None:
        super().__init__()
        self.world, self.rank, self.world_size = world, rank, world.size  # type: ignore[assignment]
        self.node, self.local_rank, self.local_size = rank // 2, rank % 2, 2  # type: ignore[assignment]
        self.watchdog = Watchdog(self.rank_status, rank, world.size, world.aborted.append)
        self.watchdog.set_timeout(TIMEOUT_S)

    def share_text(self, text: str) -> list[str]:
        self.world.texts[self.rank] = text
        with self.rank_status.waiting("an agreement"):
            self.world.meeting.wait(10)
            texts = list(self.world.texts)
            self.world.meeting.wait(10)
        return texts

    def node_barrier(self) -> None:
        with self.rank_status.waiting("a barrier of the node"):
            self.world.nodes[self.node].wait(10)

    def node_shared(self, n_bytes: int, **_how: bool) -> Any:
        if self.local_rank == 0:
            self.world.memory[self.node] = np.zeros(n_bytes, np.uint8)
        self.node_barrier()
        memory = self.world.memory[self.node]
        self.node_barrier()
        return memory


class Compilers:
    """Stand-ins for the compiler and the cache, which know the rank by its thread."""

    def __init__(self, patched: pytest.MonkeyPatch, kept: dict[int, bytes], compile_s: float = 0.0) -> None:
        self.kept, self.compile_s = kept, compile_s
        self.compiled: list[str] = []
        self.loaded: dict[int, bytes] = {}
        self.told: list[str] = []
        patched.setattr(compilation, "are_ready", lambda _dtype: False)
        patched.setattr(compilation, "read_code", lambda _dtype: self.kept.get(_rank()))
        patched.setattr(compilation, "keep_code", lambda _dtype, code: None)  # nothing can be kept
        patched.setattr(compilation, "load_kernels", lambda _dtype, code: self.loaded.__setitem__(_rank(), code))
        patched.setattr(compilation, "compile_apart", self.compile)

    def compile(self, dtype: str, heard: Callable[[], None]) -> bytes:
        heard()
        time.sleep(self.compile_s * (1 + len(self.compiled)))  # one node takes longer than the other
        self.compiled.append(dtype)
        return b"machine code"


def _rank() -> int:
    return int(threading.current_thread().name)


def on_all_ranks(work: Callable[[Rank], None]) -> World:
    world, failed = World(), list[BaseException]()

    def run(rank: Rank) -> None:
        try:
            work(rank)
        except BaseException as error:
            failed.append(error)
            for barrier in (world.meeting, *world.nodes):
                barrier.abort()

    ranks = [Rank(world, i) for i in range(world.size)]
    threads = [threading.Thread(target=run, args=(rank,), name=str(rank.rank)) for rank in ranks]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        for rank in ranks:
            rank.watchdog.look(time.monotonic())
        time.sleep(0.01)
    if failed:
        raise failed[0]
    return world


def test_where_all_is_kept_nobody_compiles(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Compilers(monkeypatch, dict.fromkeys(range(4), b"kept"))
    on_all_ranks(lambda rank: ready_kernels("float32", rank, found.told.append))
    assert (found.compiled, found.told) == ([], [])
    assert found.loaded == dict.fromkeys(range(4), b"kept")


def test_one_rank_of_each_node_compiles_and_all_have_it_though_nothing_can_be_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = Compilers(monkeypatch, {})
    on_all_ranks(lambda rank: ready_kernels("float32", rank, found.told.append))
    assert found.compiled == ["float32", "float32"]
    assert len(found.told) == 1
    assert found.loaded == dict.fromkeys(range(4), b"machine code")


def test_a_rank_that_cannot_read_gets_it_from_its_node(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Compilers(monkeypatch, {0: b"kept", 1: b"kept", 2: b"kept there"})
    on_all_ranks(lambda rank: ready_kernels("float32", rank, found.told.append))
    assert found.compiled == []
    assert found.loaded == {0: b"kept", 1: b"kept", 2: b"kept there", 3: b"kept there"}


def test_ranks_of_which_some_have_loaded_them_already_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Compilers(monkeypatch, dict.fromkeys(range(4), b"kept"))
    monkeypatch.setattr(compilation, "are_ready", lambda _dtype: _rank() in (0, 3))
    on_all_ranks(lambda rank: ready_kernels("float32", rank, found.told.append))
    assert found.loaded == dict.fromkeys(range(4), b"kept")  # which leaves what is loaded as it is


def test_compiling_takes_as_long_as_it_takes_on_any_node(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Here two and four times as long as ranks may wait for each other."""
    found, shares = Compilers(monkeypatch, {}, 2 * TIMEOUT_S), list[float]()
    world = on_all_ranks(lambda rank: ready_kernels("float32", rank, found.told.append, watch=shares.append))
    assert world.aborted == []
    assert len(shares) > 2, "a bar moves meanwhile"
    assert set(shares) == {1 / N_FUNCTIONS}
    assert found.loaded == dict.fromkeys(range(4), b"machine code")


def test_who_is_asked_to_stop_does_not_wait_for_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it is one rank that has nothing to compile; all leave together."""
    stopped, found, ended = list[str](), Compilers(monkeypatch, {}), threading.Event()
    monkeypatch.setattr(compilation, "compile_apart", lambda *_: b"" if ended.wait(20) else b"late")

    def run(rank: Rank) -> None:
        with pytest.raises(StoppedError, match="by SIGTERM while the kernels were compiled") as caught:
            ready_kernels("float32", rank, found.told.append, lambda: "SIGTERM" if rank.rank == 3 else "")
        assert is_agreed(caught.value)
        stopped.append(str(caught.value))

    began = time.monotonic()
    on_all_ranks(run)
    ended.set()
    assert time.monotonic() - began < 15
    assert len(stopped) == 4
    assert len(set(stopped)) == 1


def test_a_compiler_that_fails_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Compilers(monkeypatch, dict.fromkeys(range(2), b"kept"))

    def fail(*_: object) -> bytes:
        raise RuntimeError("no memory for the compiler")

    monkeypatch.setattr(compilation, "compile_apart", fail)
    with pytest.raises(RuntimeError, match="no memory for the compiler"):
        on_all_ranks(lambda rank: ready_kernels("float32", rank, found.told.append))


def test_whatever_is_trained_and_evaluated_nothing_is_compiled(rng: np.random.Generator) -> None:
    kinds = [(name, "tanh", "sgd") for name in LOSSES]
    kinds += [("mse", name, "sgd") for name in ACTIVATIONS]
    kinds += [("cross_entropy", "relu", name) for name in OPTIMIZERS]
    with compilations() as compiled:
        for dtype in ("float32", "float64"):
            ready_kernels(dtype, SingleProcess(), pytest.fail)
            for loss, activation, optimizer in kinds:
                network = network_of((3, 4, 2) if loss == "cross_entropy" else (3, 4, 1), activation, loss)
                resident = resident_of(rng.normal(0, 1, (9, 3)), targets_for(network, 9, rng), dtype)
                theta = parameters_of(network, rng, dtype)
                for threads in (1, 2):
                    with engine_of(network, resident, theta, optimizer, threads=threads, batch=4) as engine:
                        engine.run([(0, 4), (4, 8), (8, 9)], [(0.01,) * 4] * 3)
                    evaluator = Evaluator(network, "binary", resident, SingleProcess(), threads)
                    for ids in (np.arange(9), np.arange(9)[::-1].copy(), np.arange(0)):
                        evaluator.predict(theta, ids)
            regression = network_of((2, 2))
            rows = resident_of(np.zeros((4, 2)), np.zeros((4, 2)), dtype)
            Evaluator(regression, "regression", rows, SingleProcess(), 1).evaluate_in_detail(
                np.zeros(Layout((2, 2)).n_parameters, dtype), np.arange(4)
            )
    assert compiled == []
