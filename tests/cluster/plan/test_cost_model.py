"""The arithmetic of the model, on rates that were made up, and its memory against a real engine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ddp_mlp.cluster.plan.cost_model import Pace, Rates, memory, predict
from ddp_mlp.cluster.plan.plan import placements_of_node
from ddp_mlp.cluster.plan.workload import Workload
from ddp_mlp.comm import SingleProcess
from ddp_mlp.core.layer_table import layer_table
from ddp_mlp.engine.engine import Engine
from tests.building import network_of, parameters_of, resident_of

WORKLOAD = Workload(
    n_parameters=1_000_000,
    n_moments=1,
    itemsize=4,
    looks_ahead=False,
    global_batch_size=64,
    micro_batches=None,
    columns=100,
    flops_per_sample=6_000_000,
    data_bytes=5_000,
)
FIRST = {64: Pace(64.0, 66.0), 32: Pace(32.0, 34.0), 16: Pace(16.0, 18.0), 8: Pace(8.0, 10.0)}
RATES = Rates(
    cores=2,
    fixed_s=0.5,
    first=FIRST,
    following=FIRST,
    update=Pace(5.0, 10.0),
    barrier_s=0.25,
    latency_s=0.125,
    bytes_per_s=1_000_000.0,
    process_bytes=1_000,
)


def test_one_worker_pays_its_gradient_the_update_and_nothing_else():
    found = predict(replace(WORKLOAD, micro_batches=1), RATES, 1, 1, 2)
    assert (found.gradient_s, found.update_s, found.communicate_s) == (64.0, 5.0, 0.0)
    assert found.step_s == 0.5 + 64.0 + 5.0
    assert (found.speedup, found.efficiency, found.nodes, found.micro_batches) == (1.0, 1.0, 1, 1)


@pytest.mark.parametrize(("ranks", "threads"), [(2, 1), (1, 2)])
def test_two_workers_of_a_node_share_the_update_and_read_both_sums(ranks, threads):
    found = predict(replace(WORKLOAD, micro_batches=2), RATES, ranks, threads, 2)
    assert found.gradient_s == 34.0
    assert found.update_s == pytest.approx(10.0 * 6 / 5 / 2)  # parameters and moment, read and written, and two sums
    assert found.communicate_s == 0.25
    assert found.speedup == pytest.approx(69.5 / (0.5 + 34.0 + 6.0 + 0.25))
    assert found.efficiency == pytest.approx(found.speedup / 2)


def test_configured_micro_batches_cost_a_worker_what_follows_the_first():
    found = predict(replace(WORKLOAD, micro_batches=8), replace(RATES, following={8: Pace(7.0, 9.0)}), 2, 1, 2)
    assert found.gradient_s == 10.0 + 3 * 9.0
    assert found.micro_batches == 8


def test_without_a_number_there_are_eight_micro_batches_or_one_for_each_worker():
    assert [predict(WORKLOAD, RATES, ranks, 1, 2).micro_batches for ranks in (1, 2, 8)] == [8, 8, 8]
    assert WORKLOAD.micro_batches_for(20) == 32


def test_a_node_in_part_occupied_lies_between_alone_and_busy():
    assert Pace(10.0, 40.0).among(1, 4) == 10.0
    assert Pace(10.0, 40.0).among(3, 4) == 30.0
    assert Pace(10.0, 40.0).among(9, 4) == 40.0
    assert Pace(10.0, 40.0).among(1, 1) == 10.0


def test_nodes_exchange_their_sums():
    found = predict(WORKLOAD, RATES, 4, 1, 2)  # two nodes of two ranks: each gets one sum of 4 MB
    fold_in_node = 10.0 * 3 / 5 / 2  # two sums read, one written
    assert found.communicate_s == pytest.approx(0.25 + fold_in_node + 1 * 0.125 + 4.0)
    more = predict(WORKLOAD, RATES, 8, 1, 2)
    assert more.communicate_s == pytest.approx(0.25 + fold_in_node + 2 * 0.125 + 3 * 4.0)


def test_nodes_that_share_out_the_update_send_less_in_two_exchanges():
    sharded = replace(WORKLOAD, sharding="auto")
    found = predict(
        sharded, RATES, 8, 1, 2
    )  # four nodes: each gets a quarter of three sums, and three of the parameters
    fold_in_node = 10.0 * 3 / 5 / 2
    assert found.communicate_s == pytest.approx(0.25 + fold_in_node + 2 * (2 * 0.125 + 3.0))
    assert found.update_s == pytest.approx(predict(WORKLOAD, RATES, 8, 1, 2).update_s / 4)
    assert predict(sharded, RATES, 2, 1, 2) == predict(WORKLOAD, RATES, 2, 1, 2)
    shared, _ = memory(sharded, 0, 8, 1, 2)
    vectors = 1 + 2 + (1 + 4) / 4  # parameters, own sums; a moment and all sums by share
    assert shared == 5_000 + vectors * 4_000_000 + 2 * 16 * 100 * 4


def test_the_memory_of_ranks_and_threads():
    two = replace(WORKLOAD, micro_batches=2)
    shared, private = memory(two, 1_000, 2, 1, 2)
    vectors = 1 + 1 + 2  # parameters, moment, a sum for each worker
    assert shared == 5_000 + vectors * 4_000_000 + 2 * 32 * 100 * 4
    assert private == 1_000
    assert memory(two, 1_000, 1, 2, 1) == (shared, private)
    found = predict(two, RATES, 2, 1, 2)
    assert found.rank_bytes == private + shared // 2
    assert found.node_bytes == shared + 2 * private


class Counting(SingleProcess):
    """Counts the shared memory that is asked for."""

    asked = 0

    def node_shared(self, n_bytes, **how):
        self.asked += n_bytes
        return super().node_shared(n_bytes, **how)


@pytest.mark.parametrize(("optimizer", "moments", "ahead"), [("sgd", 0, 0), ("nesterov", 1, 1), ("adam", 2, 0)])
@pytest.mark.parametrize(("threads", "micro_batches"), [(1, 2), (1, 8), (2, 2), (3, 8)])
def test_an_engine_takes_the_memory_that_is_predicted(rng, optimizer, moments, ahead, threads, micro_batches):
    network = network_of((50, 200, 200, 5), loss="cross_entropy")
    resident = resident_of(rng.normal(size=(64, 50)), rng.integers(0, 5, 64), "float32")
    comm = Counting()
    engine = Engine(
        network, optimizer, resident, comm, micro_batches=micro_batches, threads=threads, n_train=64,
        global_batch_size=64, start=parameters_of(network, rng, "float32"),
    )  # fmt: skip
    engine.close()
    columns, n = layer_table(network, training=True).columns, network.layout.n_parameters
    workload = Workload(n, moments, 4, bool(ahead), 64, micro_batches, columns, 0, 0)
    shared, private = memory(workload, 0, 1, threads, 1)
    assert comm.asked == pytest.approx(shared, rel=0.15)
    activations = shared - memory(replace(workload, columns=0), 0, 1, threads, 1)[0]
    assert engine._arena.work.nbytes == activations
    assert private == 0


def test_sums_that_are_taken_in_the_update_are_never_there():
    few_rows = replace(WORKLOAD, can_defer=True, global_batch_size=16, columns=10, micro_batches=2)
    shared, _ = memory(few_rows, 0, 2, 1, 2)
    assert shared == 5_000 + (1 + 1) * 4_000_000 + 2 * 16 * 10 * 4  # parameters, moment, activations
    kept, _ = memory(replace(few_rows, keeps_gradient=True), 0, 2, 1, 2)
    assert kept == shared + 4_000_000
    two_nodes, _ = memory(few_rows, 0, 2, 1, 1)
    assert two_nodes == 5_000 + (1 + 1 + 2) * 4_000_000 + 16 * 10 * 4  # the sums of both nodes
    assert predict(few_rows, RATES, 2, 1, 2).update_s == 10.0 / 2


def test_layouts_fill_a_node_or_a_part_of_it():
    assert placements_of_node(1, None) == [(1, 1)]
    assert (3, 2) in placements_of_node(6, None)
    assert {ranks * threads for ranks, threads in placements_of_node(6, None)} == {1, 2, 4, 6}
    assert {ranks * threads for ranks, threads in placements_of_node(6, 2)} == {1, 2}
