from __future__ import annotations

import io

from rich.console import Console

from ddp_mlp.cli import live_table
from ddp_mlp.cli.live_table import Lines, LiveTable, make_view, table_of
from ddp_mlp.comm import SingleProcess
from ddp_mlp.study.sampler import Listed
from tests.study.execution.test_desk import Office, listed


def shown(desk, most=20, width=100):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(table_of(desk, most))
    return console.export_text()


def test_the_table_shows_what_runs_and_what_is_over():
    office = Office(listed(40))
    office.ready(0, 1)
    office.desk.hear(1, {"kind": "progress", "progress": {"epoch": 3, "epochs": 9, "valid_loss": 0.25}})
    office.over(0, best_valid_loss=0.5, best_epoch=4)
    text = shown(office.desk)
    assert "trials: 2 running, 1 over" in text
    assert "3/9" in text
    assert "valid_loss 0.25" in text
    assert "finished  valid_loss 0.5" in text
    for _ in range(30):
        office.over(0)
    assert len(shown(office.desk, 5).splitlines()) < 12


def test_a_narrow_terminal_shows_which_trial_it_is_and_how_far():
    values = ["optimizer.learning_rate=0.3588804291653122", "model.hidden=[16, 16]", 'model.activation="relu"']
    office = Office(Listed([values] * 3))
    office.ready(0, 1)
    office.desk.hear(1, {"kind": "progress", "progress": {"epoch": 3, "epochs": 900, "valid_loss": 0.25}})
    office.over(0, best_valid_loss=0.5, best_valid_rmse=0.123456, best_valid_r2=0.123456, best_epoch=4)
    text = shown(office.desk, width=80)
    for part in ("t-0", "t-1", "3/900", "valid_loss 0.25", "finished  valid_loss 0.5", "learning_rate=0.35888"):
        assert part in text, (part, text)
    assert len({len(line) for line in text.splitlines()[1:]}) == 1


def test_elsewhere_there_is_a_line_for_each_trial(capsys, monkeypatch):
    monkeypatch.setenv("DDP_MLP_PROGRESS", "plain")
    office = Office(listed(3))
    office.ready(0)
    with make_view(SingleProcess()) as view:
        assert isinstance(view, Lines)
        view.look(office.desk)
        office.over(0, best_valid_loss=0.5)
        view.look(office.desk)
        view.look(office.desk)
    out, err = capsys.readouterr()
    assert (out, err) == ("", "t-0: finished  valid_loss 0.5; 1 over\n")


def test_in_a_terminal_warnings_stand_above_the_table(capsys, monkeypatch):
    monkeypatch.setenv("DDP_MLP_PROGRESS", "bar")
    monkeypatch.setattr(live_table, "_EVERY_S", 0.0)
    office = Office(listed(3))
    office.ready(0)
    with make_view(SingleProcess()) as view:
        assert isinstance(view, LiveTable)
        view.tell("trial-1: optimizer.learning_rate=1")
        view.tell("warning: t-0 [odd] failed")
        view.look(office.desk)
    out, err = capsys.readouterr()
    assert out == ""
    assert "warning: t-0 [odd] failed" in err
    assert "optimizer" not in err
