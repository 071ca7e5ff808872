"""``ddp-mlp report``: a page beside the run, or where it is wanted."""

from __future__ import annotations

import hashlib
import os
import sys
import webbrowser
from pathlib import Path

import pytest

from ddp_mlp.errors import MissingInputError, OutputError
from ddp_mlp.report import giving_way, writing
from tests.report.made import make_run
from tests.runs import MOONS, ddp_mlp, prepare, run, train_here


def test_the_report_of_a_real_run_lies_beside_it_and_changes_nothing_else(tmp_path):
    folder = prepare(tmp_path, MOONS + "learning_rate = 0.01\n[train]\nepochs = 3\n", "moons", 100)
    train_here(folder, "a")

    def contents() -> dict[str, str]:
        files = [path for path in (folder / "a").rglob("*") if path.is_file() and path.name != "report.html"]
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    before = contents()
    done = ddp_mlp("report", "a", cwd=folder)
    assert (done.code, done.out, done.err) == (0, "", "written: a/report.html\n")
    assert contents() == before
    page = (folder / "a/report.html").read_text()
    assert "2 - 8 - 1, relu" in page  # features and outputs, of the schema in the model
    assert "80 rows train, 20 validate" in page
    train_here(folder, "a", overwrite=True)
    assert not (folder / "a/report.html").exists()  # it was that of another run


def test_a_page_is_shown_in_the_browser_or_its_address_told(tmp_path, monkeypatch):
    make_run(tmp_path / "a b")
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: not opened.append(address) and len(opened) == 1)
    for name, value in (("DISPLAY", ":0"), ("WAYLAND_DISPLAY", ""), ("BROWSER", "")):
        monkeypatch.setenv(name, value)
    assert ddp_mlp("report", "a b", "--open", cwd=tmp_path).err == "written: a b/report.html\n"
    address = f"{tmp_path.as_uri()}/a%20b/report.html"
    assert opened == [address]
    told = [f"no browser could be started here; open {address}"]
    assert ddp_mlp("report", "a b", "--open", cwd=tmp_path).err.splitlines()[-1:] == told  # it failed
    monkeypatch.setenv("DISPLAY", "")
    assert ddp_mlp("report", "a b", "--open", cwd=tmp_path).err.splitlines()[-1:] == told
    assert len(opened) == 2, "without a screen no program is started"


def test_a_report_gives_way_to_a_run_that_goes_on(tmp_path, monkeypatch):
    gave: list[bool] = []
    monkeypatch.setattr(giving_way, "give_way", lambda: gave.append(True))
    make_run(tmp_path / "over"), make_run(tmp_path / "on", done=3, state="running")
    make_run(tmp_path / "study/1"), make_run(tmp_path / "study/2", done=3, state="running")
    for words, given in ((["over"], 0), (["on"], 1), (["over", "on"], 1), (["study"], 1)):
        gave.clear()
        assert ddp_mlp("report", *words, cwd=tmp_path).code == 0
        assert len(gave) == given, words


def test_a_process_that_gives_way_is_idle_and_its_end_is_that_of_the_command(tmp_path):
    make_run(tmp_path / "on", done=3, state="running")
    for words, code in ((["on"], 0), (["on", "nowhere"], 66)):
        done = ddp_mlp("report", *words, cwd=tmp_path, launched=True)
        assert (done.code, len(done.err.splitlines())) == (code, 2), done.err
    program = "from ddp_mlp.report.giving_way import give_way; give_way(); import os; print(os.nice(0), "
    program += "os.sched_getscheduler(0) == os.SCHED_IDLE, open('/proc/self/autogroup').read(), end=''); os._exit(7)"
    done = run([sys.executable, "-c", program], tmp_path)
    assert done.code == 7, done.err
    assert done.out.startswith("19 True ")
    if giving_way._HAS_GROUPS.exists() and giving_way._HAS_GROUPS.read_text().strip() == "1":
        assert done.out.endswith("nice 19\n")


def test_a_run_whose_directory_is_closed_is_refused_before_the_work(tmp_path, monkeypatch):
    run_of = make_run(tmp_path / "a")
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != run_of.resolve())  # root may write everywhere
    monkeypatch.setattr(writing, "page_of", lambda *_: pytest.fail("the page was made"))
    with pytest.raises(OutputError, match=r"a/report\.html: you may not write to the directory .*; write elsewhere"):
        writing.write_report([run_of])
    with pytest.raises(MissingInputError):
        writing.write_report([tmp_path / "b"])


def test_several_runs_and_names_of_files(tmp_path):
    make_run(tmp_path / "a"), make_run(tmp_path / "b", rate=0.1)
    assert ddp_mlp("report", "a", "b", cwd=tmp_path).err == "written: report.html\n"
    assert ddp_mlp("report", "a", "b", "--out", "x.html", cwd=tmp_path).err == "written: x.html\n"
    assert "optimizer.learning_rate" in (tmp_path / "x.html").read_text()
    (tmp_path / "d").mkdir()
    for words, code in (
        (["a", "nowhere"], 66),
        (["d"], 66),
        ([], 2),
        (["a", "--out", "d"], 73),
        (["a", "--out", "n/x"], 73),
    ):
        done = ddp_mlp("report", *words, cwd=tmp_path)
        assert done.code == code, (words, done.err)
        assert len(done.error_lines) == 1
