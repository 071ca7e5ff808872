"""The terminal of a person: a bar also under `launch`, colours as the environment asks, and Tab."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time

import pytest

from ddp_mlp.cli.main import COMMANDS, GROUPS
from ddp_mlp.cli.options import shown
from ddp_mlp.cli.terminal import TERMINAL, coloured, has_colours, terminal_size
from tests.inside import clean_environment
from tests.runs import MOONS, ddp_mlp, prepare
from tests.warm import command

_DEADLINE_S = 120


def in_a_terminal(words, cwd, **environment):
    """Run the program with a terminal of 100 columns as its standard error, and return its code and what was shown."""
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    subprocess.run(["stty", "cols", "100", "rows", "30"], stdin=theirs, check=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "ddp_mlp", *words], cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=theirs, start_new_session=True, env={**clean_environment(), "TERM": "xterm", **environment},
    )  # fmt: skip
    os.close(theirs)
    text, until = b"", time.monotonic() + _DEADLINE_S
    try:
        while time.monotonic() < until:
            if select.select([ours], [], [], 0.2)[0]:
                try:
                    more = os.read(ours, 65536)
                except OSError:  # the other end is closed: all have ended
                    break
                text += more
        code = process.wait(timeout=_DEADLINE_S)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        os.close(ours)
    return code, text.decode()


@pytest.mark.mpi
def test_launch_has_a_bar_in_a_terminal_fed_by_rank_0(tmp_path):
    folder = prepare(tmp_path, MOONS + "learning_rate = 0.01\n[train]\nepochs = 400\n", "moons", 100)
    stop = ("--set", "train.early_stopping_patience=0")
    code, text = in_a_terminal(["launch", "-n", "2", "train", "c.toml", "--out", "a", *stop], folder)
    assert code == 0, text
    assert "━" in text
    assert "steps" in text
    assert "data: 80 rows train" in text  # what was understood, above the bar
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")  # the cursor is there again
    assert len(re.findall(r"epoch \d+/400  train_loss", text)) == 400


def test_errors_have_a_colour_in_a_terminal_only_and_as_asked(tmp_path):
    for environment, is_coloured in (({}, True), ({"NO_COLOR": "1"}, False), ({"CLICOLOR": "0"}, False)):
        code, text = in_a_terminal(["runs", "nowhere"], tmp_path, **environment)
        assert code == 66
        assert ("\x1b[1;31merror:\x1b[0m nowhere" in text) == is_coloured, text
    assert "\x1b" not in ddp_mlp("runs", "nowhere", cwd=tmp_path).err


@pytest.mark.parametrize(
    ("environment", "in_terminal", "in_file"),
    [
        ({}, True, False), ({"NO_COLOR": ""}, True, False), ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False, False),
        ({"FORCE_COLOR": "1"}, True, True), ({"CLICOLOR_FORCE": "1"}, True, True), ({"FORCE_COLOR": "0"}, True, False),
        ({"CLICOLOR": "0"}, False, False), ({"CLICOLOR": "1"}, True, False), ({"TERM": "dumb"}, False, False),
    ],
)  # fmt: skip
def test_variables_for_colours_are_obeyed(environment, in_terminal, in_file):
    assert has_colours(is_terminal=True, environment=environment) == in_terminal
    assert has_colours(is_terminal=False, environment=environment) == in_file


def test_a_terminal_that_launch_tells_of_counts_and_nonsense_does_not():
    assert terminal_size({TERMINAL: "100x30"}) == (100, 30)
    assert terminal_size({TERMINAL: "1x1"}) == (20, 1)
    for nonsense in ("", "100", "x", "-1x3", "99999x3", "100x30; rm"):
        assert terminal_size({TERMINAL: nonsense}) is None
    assert coloured("warning: x", {TERMINAL: "100x30"}).startswith("\x1b[33mwarning:\x1b[0m x")
    assert coloured("warnings are", {TERMINAL: "100x30"}) == "warnings are"


def test_numbers_of_a_result_can_be_read():
    texts = {
        "719,061": 719061.34, "9999": 9999, "10,000": 10000, "12,345.7": 12345.678, "True": True,
        "1.23457e-05": 0.000012345678, "1e+30": 1e30, "1" + "0" * 40: 10**40, "-50,000": -50000, "nan": float("nan"),
        "x\\x1b": "x\x1b",
    }  # fmt: skip
    for text, value in texts.items():
        assert shown(value) == text


def test_help_has_groups_with_every_command_once_and_examples(tmp_path):
    names = [name for group in GROUPS.values() for name in group]
    assert len(names) == len(set(names))
    text = command("--help", cwd=tmp_path).out
    for name in COMMANDS:
        assert re.findall(rf"^  {name}  ", text, re.MULTILINE) == [f"  {name}  "], name
    assert "Examples:\n  ddp-mlp demo" in text


def test_tab_completes_commands_options_and_values(tmp_path):
    found = {
        "tra": "train", "train --res": "--resume", "train --progress b": "bar", "data ins": "inspect",
        "completion install --shell f": "fish", "log-to ": "mlflow",
    }  # fmt: skip
    for words, expected in found.items():
        asked = {"_DDP_MLP_COMPLETE": "bash_complete", "COMP_WORDS": f"ddp-mlp {words}",
                 "COMP_CWORD": str(len(words.split(" ")))}  # fmt: skip
        done = ddp_mlp(cwd=tmp_path, launched=True, **asked)
        assert (done.code, done.err) == (0, "")
        assert f"plain,{expected}" in done.out.split("\n"), (words, done.out)


def test_completion_is_installed_by_one_command_and_once_more_is_no_harm(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".bashrc").write_bytes(b"alias x=y  # \xff without an end")
    for shell, script in (("bash", ".local/share/ddp-mlp/complete.bash"), ("zsh", ".local/share/ddp-mlp/complete.zsh"),
                          ("fish", ".config/fish/completions/ddp-mlp.fish")):  # fmt: skip
        for _ in range(2):
            done = command("completion", "install", "--shell", shell, cwd=tmp_path)
            assert done.code == 0, done.err
        assert (tmp_path / script).read_text() == command("completion", "show", "--shell", shell, cwd=tmp_path).out
    start = (tmp_path / ".bashrc").read_bytes().split(b"\n")
    assert start[0] == b"alias x=y  # \xff without an end"
    assert len(start) == 3  # one line more, with its end
    checked = "source .bashrc; complete -p ddp-mlp; rm -r .local; source .bashrc"
    done = subprocess.run(["bash", "--norc", "-c", checked], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")  # also without the script
    assert "_ddp_mlp_completion ddp-mlp" in done.stdout
    for words in (["--shell", "tcsh"], []):
        monkeypatch.setenv("SHELL", "/bin/tcsh")
        assert command("completion", "install", *words, cwd=tmp_path).code == 2
