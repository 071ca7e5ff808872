"""``ddp-mlp plan`` as a user sees it; never what it measures, which is another thing on every day."""

from __future__ import annotations

import click
import pytest

from ddp_mlp.cli.commands.plan import RankCounts, busy
from tests.runs import ddp_mlp, prepare


def test_dots_stand_for_powers_of_two():
    read = RankCounts().convert
    assert read("1,2,...,16", None, None) == [1, 2, 4, 8, 16]
    assert read("3,...,20", None, None) == [3, 6, 12, 20]
    assert read("8,1", None, None) == [1, 8]


@pytest.mark.parametrize("text", ["", "a", "1,...", "0", "...", "-1", "1.5"])
def test_what_is_no_list_of_ranks_is_refused(text):
    with pytest.raises(click.BadParameter, match="is no list of ranks"):
        RankCounts().convert(text, None, None)


def test_a_busy_machine_is_worth_a_warning():
    assert busy(0.1) == ""
    assert busy(3.25).startswith("warning: this machine is busy (load 3.2)")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    config = '[data]\ntrain = "moons.h5"\n[model]\nhidden = [16]\n'
    return prepare(tmp_path_factory.mktemp("plan"), config, "moons", 300)


GIVEN = ("--ranks", "1,2,4,8", "--ranks-per-node", "2", "--latency-us", "1000", "--bandwidth-gb-s", "1")


def test_a_slow_network_makes_more_nodes_slower(folder):
    result = ddp_mlp("plan", "c.toml", *GIVEN, "--json", cwd=folder).result
    by_ranks = {row["ranks"]: row for row in result["predictions"]}
    assert [by_ranks[n]["nodes"] for n in (1, 2, 4, 8)] == [1, 1, 2, 4]
    assert [by_ranks[n]["micro_batches"] for n in (1, 2, 4, 8)] == [8, 8, 8, 8]
    assert by_ranks[4]["communicate_s"] > 1e-3  # a millisecond for the message, more than the whole step on one node
    assert by_ranks[8]["communicate_s"] > 2e-3
    assert result["fastest"]["ranks"] in (1, 2)
    assert result["slower_from_ranks"] in (2, 4)
    assert result["measured"]["network"] == "given"
    assert all(row["step_s"] > 0 and row["rank_bytes"] > 1e7 for row in result["predictions"])


def test_ranks_that_cannot_work_are_left_out_and_named(folder):
    shown = ddp_mlp("plan", "c.toml", *GIVEN, "--set", "train.micro_batches=4", cwd=folder)
    assert shown.code == 0, shown.err
    assert shown.out.rstrip().endswith("micro_batches = 4 is too few for 8 ranks")
    none = ddp_mlp("plan", "c.toml", "--ranks", "8", "--set", "train.micro_batches=4", cwd=folder)
    assert none.code == 2
    assert none.error_lines == [
        "error: [train] micro_batches = 4 is too few for 8 workers; ask for fewer ranks or configure more micro-batches"
    ]


def test_a_missing_data_set_is_one_line(folder):
    missing = ddp_mlp("plan", "c.toml", "--set", "data.train=none.h5", cwd=folder)
    assert missing.code == 66
    assert len(missing.error_lines) == 1
