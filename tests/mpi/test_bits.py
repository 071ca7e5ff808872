"""The promise: the same bits on any number of ranks and threads, alone and after a resume."""

from __future__ import annotations

import csv

import pytest

from ddp_mlp.core.layer_table import layer_table
from ddp_mlp.core.sharding import defers_weights
from tests.building import network_of
from tests.faults.jobs import left_by_mpi
from tests.runs import ddp_mlp, make_data

pytestmark = pytest.mark.mpi

CONFIG = """
[data]
train = "spirals.h5"
valid_fraction = 0.2
[model]
hidden = {hidden}
activation = ["tanh", "relu"]
[optimizer]
name = "{optimizer}"
learning_rate = 0.02
[train]
epochs = 4
global_batch_size = {batch}  # not divisible by the micro-batches; the last batch is shorter
micro_batches = 4
dtype = "{dtype}"
"""


#: With few rows for its parameters, the last one has its gradient sums taken in the update.
CONFIGS = (
    ("momentum", "momentum", "float32", [16, 16], 90),
    ("adam", "adam", "float64", [16, 16], 90),
    ("few-rows", "nesterov", "float32", [80, 80], 22),
    ("bfloat16", "adam", "bfloat16", [80, 80], 22),
)
NAMES = [f"{name}.toml" for name, *_ in CONFIGS]

#: Every rank a node of its own, and the optimiser shared out between them.
SHARDED = {"DDP_MLP_RANKS_PER_NODE": "1", "DDP_MLP_TRAIN_SHARD_OPTIMIZER": "true"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("bits")
    make_data(path, "spirals", 500, seed=3)
    for name, optimizer, dtype, hidden, batch in CONFIGS:
        config = CONFIG.format(optimizer=optimizer, dtype=dtype, hidden=hidden, batch=batch)
        (path / f"{name}.toml").write_text(config)
    return path


def train(folder, config, name, **how):
    return ddp_mlp("train", config, "--out", name, "--json", cwd=folder, **how)


@pytest.fixture(scope="module")
def alone(folder):
    return {config: train(folder, config, f"alone-{config}").result for config in NAMES}


def test_the_configurations_take_both_ways():
    """Sums of weights are taken where the rows are, or in the update."""
    ways = []
    for *_, hidden, batch in CONFIGS:
        network = network_of((2, *hidden, 2))
        columns = layer_table(network, training=True).columns
        ways.append(defers_weights(batch, 4, 1, columns, network.layout.n_parameters))
    assert ways == [False, False, True, True]


@pytest.mark.parametrize(
    ("ranks", "threads", "environment"),
    [
        (2, 1, {}),
        (3, 1, {}),
        (4, 1, {}),
        (1, 2, {}),
        (1, 3, {}),
        (2, 2, {}),
        (4, 1, {"DDP_MLP_RANKS_PER_NODE": "1"}),
        (3, 1, {"DDP_MLP_RANKS_PER_NODE": "2"}),
        (2, 2, {"DDP_MLP_RANKS_PER_NODE": "1"}),
        (2, 1, SHARDED),
    ],
)
@pytest.mark.parametrize("config", NAMES)
def test_bits_do_not_depend_on_ranks_or_threads(folder, alone, config, ranks, threads, environment, request):
    name = f"run-{request.node.callspec.id}".replace("/", "_")
    result = train(folder, config, name, ranks=ranks, threads=threads, **environment).result
    same = ("weights_sha256", "train_loss", "valid_loss", "valid_accuracy", "steps", "micro_batches")
    assert {key: result[key] for key in same} == {key: alone[config][key] for key in same}
    assert (result["world_size"], result["threads_per_rank"]) == (ranks, threads)


def test_the_metrics_are_those_of_one_rank(folder, alone):
    train(folder, "momentum.toml", "metrics-3", ranks=3)
    timed = ("samples_per_s", "compute_s", "communicate_s", "data_s", "wall_s")

    def rows(name):
        with (folder / name / "metrics.csv").open() as file:
            return [{k: v for k, v in row.items() if k not in timed} for row in csv.DictReader(file)]

    assert rows("metrics-3") == rows("alone-momentum.toml")
    assert len(rows("metrics-3")) == 4


@pytest.mark.parametrize(
    ("config", "first", "second", "before", "after"),
    [
        ("momentum.toml", 1, 3, {}, {}),
        ("momentum.toml", 4, 2, {}, {}),
        ("momentum.toml", 2, 1, {}, {}),
        ("momentum.toml", 2, 3, SHARDED, {}),
        ("momentum.toml", 1, 2, {}, SHARDED),
        ("bfloat16.toml", 1, 3, {}, {}),
        ("bfloat16.toml", 4, 1, SHARDED, {}),
    ],
)
def test_a_resume_on_other_ranks_ends_in_the_same_bits(folder, alone, config, first, second, before, after):
    name = f"resumed-{config}-{first}-{second}"
    half = ddp_mlp(
        "train", config, "--set", "train.epochs=2", "--out", name, "--json", cwd=folder, ranks=first, **before
    )
    assert half.result["weights_sha256"] != alone[config]["weights_sha256"]
    again = ddp_mlp("train", config, "--out", name, "--resume", "--json", cwd=folder, ranks=second, **after)
    whole = again.result
    assert whole["weights_sha256"] == alone[config]["weights_sha256"]
    assert (whole["epochs"], whole["steps"]) == (4, alone[config]["steps"])
    with (folder / name / "metrics.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2", "3", "4"]


def test_a_resume_falls_back_when_the_newest_checkpoint_is_damaged(folder, alone):
    train(folder, "momentum.toml", "damaged", ranks=2)
    newest = sorted((folder / "damaged" / "checkpoints").iterdir())[-1]
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    resumed = ddp_mlp("train", "momentum.toml", "--out", "damaged", "--resume", "--json", cwd=folder, ranks=2)
    assert f"passed over a checkpoint: {newest.relative_to(folder)}: its SHA-256 does not match" in resumed.err
    assert resumed.result["weights_sha256"] == alone["momentum.toml"]["weights_sha256"]


@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
def test_evaluation_counts_every_sample_once(folder, alone, ranks):
    result = ddp_mlp("evaluate", "alone-momentum.toml", "spirals.h5", "--json", cwd=folder, ranks=ranks).result
    assert result["n_samples"] == 125
    reference = ddp_mlp("evaluate", "alone-momentum.toml", "spirals.h5", "--json", cwd=folder).result
    assert result == reference


def test_predictions_do_not_depend_on_ranks(folder, alone):
    for ranks in (1, 3):
        done = ddp_mlp(
            "predict", "alone-momentum.toml", "spirals.h5", "--out", f"p{ranks}.npy", cwd=folder, ranks=ranks
        )
        assert done.code == 0, done.err
    assert (folder / "p1.npy").read_bytes() == (folder / "p3.npy").read_bytes()


def test_fewer_samples_than_ranks_and_batches_than_micro_batches(folder):
    make_data(folder, "xor")
    (folder / "tiny.toml").write_text(
        '[data]\ntrain = "xor.h5"\nvalid_fraction = 0.25\n[model]\nhidden = [4]\n'
        "[train]\nepochs = 3\nglobal_batch_size = 2\nmicro_batches = 8\n"
    )
    shas = {train(folder, "tiny.toml", f"tiny-{n}", ranks=n).result["weights_sha256"] for n in (1, 4)}
    assert len(shas) == 1


def test_a_run_leaves_no_temporary_file_and_no_shared_memory(folder):
    before = left_by_mpi()
    train(folder, "momentum.toml", "clean", ranks=2, launched=True)
    assert [path for path in left_by_mpi() - before if path.startswith("/dev/shm")] == []  # noqa: S108
    left = sorted(path.name for path in (folder / "clean").rglob("*") if path.is_file())
    assert left == [
        "config.toml", "hashes.csv", "log.txt", "metrics.csv", "model.h5", "status.json",
        "step-00000010.h5", "step-00000015.h5", "step-00000020.h5",
    ]  # fmt: skip
