"""Whatever is in a run directory, its record is read, and what is missing is told."""

from __future__ import annotations

import json
import os
import socket

import pytest

from ddp_mlp.errors import MissingInputError, printable
from ddp_mlp.report.pages.facts import headline
from ddp_mlp.report.records import record
from ddp_mlp.report.records.record import Mark, read_record
from ddp_mlp.run.files.lock_owner import this_process
from tests.report.made import make_run

RESTART = (
    "2026-01-02T03:05:00Z stopped by SIGTERM at step 105, state saved; go on with --resume",
    "2026-01-02T03:06:00Z going on from step-00000105.h5",
    "2026-01-02T03:07:00Z going on from step-00000300.h5, of step 107",
)


def test_a_run_is_read_whole(tmp_path):
    record = read_record(make_run(tmp_path / "a", log=RESTART))
    assert (record.name, record.state, record.n_parameters, record.remarks) == ("a", "finished", 610, ())
    assert record.setting("optimizer", "name") == "adam"
    assert record.setting("nowhere", "name") is None
    assert len(record.history.epochs) == 20
    assert [mark.kind for mark in record.marks] == ["stopped", "resumed", "resumed"]
    assert record.marks[0] == Mark("stopped", 105, "2026-01-02T03:05:00Z")
    assert record.marks[2].step == 107


def test_no_run_is_said_to_be_none(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    for name in ("empty", "file", "nowhere"):
        with pytest.raises(MissingInputError, match=name):
            read_record(tmp_path / name)


@pytest.mark.parametrize("name", ["config.toml", "status.json", "metrics.csv", "log.txt", "model.h5"])
def test_a_file_that_is_missing_foreign_or_no_file_costs_only_its_part(tmp_path, name):
    path = make_run(tmp_path / "a") / name
    contents = [b"", b"\0\xff" * 100, b'{"a": [[[', b"[" * 10_000, b'"x"', b"1,2\n3,4\n", "é = 'ü'\n".encode("latin-1")]
    for content in contents:
        path.write_bytes(content)
        record = read_record(tmp_path / "a")
        assert record.name == "a"
        if name == "model.h5":
            assert record.schema is None
            assert record.remarks
    path.unlink()
    read_record(tmp_path / "a")
    for make in (lambda: path.mkdir(), lambda: os.mkfifo(path), lambda: path.symlink_to("/dev/zero")):
        make()
        assert read_record(tmp_path / "a").remarks
        path.rmdir() if path.is_dir() else path.unlink()


def test_values_of_any_kind_in_the_status_are_survived(tmp_path):
    path = make_run(tmp_path / "a") / "status.json"
    for value in (None, True, [], {}, "x", -1, 1e300, 10**30):
        keys = ("state", "world_size", "n_parameters", "reason", "wall_s", "host", "loss_unit", "updated_utc")
        path.write_text(json.dumps(dict.fromkeys(keys, value)))
        assert read_record(tmp_path / "a").number("world_size") in (None, -1, 1e300, 10**30)


def test_a_job_that_is_gone_without_a_word_is_told_from_one_that_runs(tmp_path):
    path = make_run(tmp_path / "a", done=5, state="running")
    assert read_record(path).state == "running"
    owner = this_process()
    fields = {name: getattr(owner, name) for name in ("token", "job", "restarts", "host", "boot", "pid", "started")}
    lock = {**fields, "since_utc": owner.since_utc}
    (path / ".lock").write_text(json.dumps(lock))
    assert read_record(path).state == "running"
    (path / ".lock").write_text(json.dumps(lock | {"started": owner.started - 1}))
    assert read_record(path).state == "died"
    (path / ".lock").write_text(json.dumps(lock | {"started": 0, "host": socket.gethostname() + "-2"}))
    assert read_record(path).state == "running"


@pytest.mark.parametrize(
    ("patience", "schedule", "best"), [("0", "constant", 20), ('"auto"', "cosine", 20), ("20", "constant", 7)]
)
def test_the_model_of_a_run_on_all_rows_is_that_of_its_last_epoch(tmp_path, patience, schedule, best):
    config = make_run(tmp_path / "a") / "config.toml"
    text = config.read_text().replace("[model]", "all_rows = true\n[model]").replace('"constant"', f'"{schedule}"')
    config.write_text(text.replace("seed = 0", f"seed = 0\nearly_stopping_patience = {patience}"))
    record = read_record(tmp_path / "a")
    assert record.history.at("epoch", record.history.best) == best
    assert ("that of the last epoch" in headline(record)) == (best == 20)


def test_of_a_long_log_the_lines_that_are_shown_alone_are_made_printable(tmp_path, monkeypatch):
    path, made = make_run(tmp_path / "r", 3, log=("a line\x07",) * 5000), []
    monkeypatch.setattr(record, "printable", lambda text: made.append(text) or printable(text))
    assert read_record(path).log[-1] == "a line\\x07"
    assert len(made) < 300
