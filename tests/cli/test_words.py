"""What is answered to a command line that is not quite right, and numbers that a person can read."""

from __future__ import annotations

import click
import pytest

from ddp_mlp.cli.main import COMMANDS, cli
from ddp_mlp.cli.progress import _epoch_line
from tests.warm import command


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (["trian", "c.toml"], "did you mean: ddp-mlp train;"), (["fit", "c.toml"], "did you mean: ddp-mlp train;"),
        (["help"], "did you mean: ddp-mlp --help;"), (["version"], "did you mean: ddp-mlp --version;"),
        (["eval"], "did you mean: ddp-mlp evaluate;"), (["crossvalidate"], "did you mean: ddp-mlp cross-validate;"),
        (["import", "t.csv"], "did you mean: ddp-mlp data import;"),
        (["c.toml"], "did you mean: ddp-mlp train c.toml;"),
        (["init"], "did you mean: ddp-mlp config init;"), (["zzzz"], "No such command 'zzzz'; see ddp-mlp --help"),
        (["ddp-mlp", "train", "c.toml"], "No such command 'ddp-mlp'; leave that word out;"),
        (["python", "s.py"], "a script is started by mpiexec: mpiexec -n 2 python SCRIPT;"),
        (["launch", "train", "c.toml", "-n", "2"], "before the command say how many ranks, -n 2"),
        (["train", "c.toml", "--epochs", "3"], "is set by --set train.epochs=VALUE; see ddp-mlp train --help"),
        (["train", "c.toml", "--lr=3"], "is set by --set optimizer.learning_rate=VALUE"),
        (["search", "c.toml", "--batch-size", "3"], "is set by --set train.global_batch_size=VALUE"),
        (["evaluate", "r", "d.h5", "--epochs", "3"], "No such option '--epochs'; see ddp-mlp evaluate --help"),
    ],
)  # fmt: skip
def test_what_was_meant_is_said(tmp_path, words, advice):
    ended = command(*words, cwd=tmp_path)
    assert (ended.code, ended.out, len(ended.err.splitlines())) == (2, "", 1), ended.err
    assert advice in ended.err


@pytest.mark.parametrize("words", [[], ["data"], ["checkpoint"], ["slurm"], ["config"]])
def test_a_group_alone_shows_its_commands(tmp_path, words):
    ended = command(*words, cwd=tmp_path)
    assert (ended.code, ended.err) == (0, ""), ended.err
    assert ended.out.startswith(f"Usage: {' '.join(['ddp-mlp', *words])} [OPTIONS] COMMAND")


def test_no_help_shows_signs_that_are_for_click():
    context = click.Context(cli)
    for name in COMMANDS:
        found = cli.get_command(context, name)
        assert found is not None
        inner = found.commands.values() if isinstance(found, click.Group) else [found]
        for each in inner:
            text = each.get_help(click.Context(each, info_name=name))
            assert "\\b" not in text, text
            assert "\b" not in text, text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (35785496528330589995008.0, "3.5785e+22"),
        (0.6931471, "0.69315"),
        (0.0000123456, "1.2346e-05"),
        (12345.678, "12346."),
    ],
)
def test_an_epoch_has_numbers_that_can_be_read(value, text):
    row = {"epoch": 1, "train_loss": value, "valid_loss": value, "valid_rmse": "", "samples_per_s": 1234.5}
    assert _epoch_line(row, 3) == f"epoch 1/3  train_loss {text}  valid_loss {text}  1,234 samples/s"


@pytest.mark.parametrize("out", ["w.csv", "w.CSV", "w.parquet", "w.npz", "w.csv.gz", "w.toml"])
def test_a_data_set_is_not_written_under_the_name_of_another_format(tmp_path, out):
    (tmp_path / "t.csv").write_text("x,y\n1,2\n3,4\n")
    for words in (["data", "make", "moons"], ["data", "import", "t.csv", "--target", "y"]):
        ended = command(*words, "--out", out, cwd=tmp_path)
        assert (ended.code, len(ended.error_lines)) == (2, 1), ended.err
        assert "data sets are written as HDF5; name it w" in ended.err
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]
