"""Numbers, names and files on the command line that nobody can mean: one line, exit code 2 or that of the file."""

from __future__ import annotations

import click
import pytest

from ddp_mlp.cli.main import cli
from ddp_mlp.errors import UsageError, brief
from tests.warm import command

DIGITS = "9" * 5000
NUMBERS = ["-1", "nan", "inf", "1e400", "²", "", "1.5x", DIGITS, "0x10", "1,5", "\x1b[2J", "9" * 100_000]

#: Command lines with a place for a value; what is refused there beside `NUMBERS`, and what of these is fine.
PLACES = {
    "train c.toml --max-time": (["0", "0s", "5h" + DIGITS + "m", "1d", DIGITS + "h"], []),
    "train c.toml --threads-per-rank": (["0", "65537", "two"], []),
    "launch -n": (["0", "65537", "all"], []),
    "launch -n 1 --max-restarts": (["1000001", "many"], []),
    "launch -n 1 --threads-per-rank": (["0", "65537"], []),
    "demo -n": (["0", "65537"], []),
    "data make moons --out m.h5 --samples": (["0", "1000000001", "2.5"], []),
    "data make moons --out m.h5 --seed": (["9223372036854775808", "1.0"], []),
    "data import t.csv --out t.h5 --target y --test-fraction": (["1", "1.0", "2", "half"], []),
    "data import t.csv --out t.h5 --target y --seed": (["18446744073709551616"], []),
    "cross-validate c.toml --folds": (["0", "1", "100001"], []),
    "search c.toml --try train.seed=[1] --random": (["0", "100001"], []),
    "search c.toml --try train.seed=[1] --seed": (["9223372036854775808"], []),
    "search c.toml --random 2 --try": (
        ["train.seed", "train.seed=", "train.seed=1..", "train.seed=2..1", "train.seed=0..1.5", "train.seed=1..inf",
         "train.seed=nan..1", "train.seed=1.." + DIGITS, f"train.seed=[{DIGITS}]", f"train.seed=[0x{DIGITS}]",
         "train.seed=[1979-05-27]", "train.seed=[{a = 1}]", "train.seed=" + "[" * 5000, "seed=[1]", "train.seed=[]",
         "model.hidden=[[" + "1," * 5000 + "]]"],
        [],
    ),
    "plan c.toml --ranks": (["0", "1,,2", "...", "1,...", "1,2,...," + DIGITS, "1 2"], ["1,5"]),
    "plan c.toml --threads-per-rank": (["0"], []),
    "plan c.toml --ranks-per-node": (["0"], []),
    "plan c.toml --latency-us": (["-0.1", "1e10"], []),
    "plan c.toml --bandwidth-gb-s": (["0", "1e-300", "1e7"], []),
    "evaluate run data.h5 --top-k": (["0"], []),
    "slurm script c.toml --launcher srun --mpi pmi2 --nodes": (["0", "2-", "-", "1-" + DIGITS, "1000000"], []),
    "slurm script c.toml --launcher srun --mpi pmi2 --time": (["1:2:3:4", "soon", "1-"], []),
    "slurm script c.toml --launcher srun --mpi pmi2 --seeds": (["0..4", "0-", "1-" + DIGITS, "0%"], ["", "1,5"]),
    "slurm script c.toml --launcher srun --mpi pmi2 --notice": (["0"], []),
    "slurm requeue run --code": (["256"], []),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "c.toml").write_text('[data]\ntrain = "m.h5"\n')
    (tmp_path / "t.csv").write_text("x,y\n" + "1,2\n" * 10)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("place", PLACES)
def test_what_is_no_value_there_is_refused_in_a_few_words_before_anything_is_done(folder, place):
    more, fine = PLACES[place]
    words = place.split()
    for value in [*more, *(number for number in NUMBERS if number not in fine)]:
        after = ["true"] if words[0] == "launch" and "train" not in words else []
        with pytest.raises((click.UsageError, UsageError)) as caught:
            cli.main([*words, value, *after], standalone_mode=False)
        assert len(brief(str(caught.value))) < 1000, value[:40]
    assert sorted(path.name for path in folder.iterdir()) == ["c.toml", "t.csv"]


@pytest.mark.parametrize("value", [DIGITS, "9" * 100_000, "\x1b[2J", "caf\udce9", "²"])
def test_the_line_that_says_so_is_short_and_nothing_that_a_terminal_obeys(folder, value):
    for words in (
        ["train", "c.toml", "--max-time", value],
        ["launch", "-n", value, "x"],
        ["train", f"{value}.toml"],
        [value],
    ):
        ended = command(*words, cwd=folder)
        assert ended.code in (2, 66), ended.err
        assert len(ended.err.splitlines()) == len(ended.error_lines) == 1, ended.err
        assert len(ended.err) < 1000
        assert ended.err[:-1].isprintable()
        assert ended.out == ""
