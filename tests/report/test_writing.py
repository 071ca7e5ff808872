"""``ddp-mlp report``: a page beside the run, or where it is wanted."""

from __future__ import annotations

import hashlib
import os
import webbrowser

from tests.report.made import make_run
from tests.runs import MOONS, ddp_mlp, prepare, train_here


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
    niceness: list[int] = []
    monkeypatch.setattr(os, "nice", niceness.append)
    make_run(tmp_path / "over"), make_run(tmp_path / "on", done=3, state="running")
    for words, given in ((["over"], []), (["on"], [19]), (["over", "on"], [19, 19])):
        assert ddp_mlp("report", *words, cwd=tmp_path).code == 0
        assert niceness == given, words


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
        (["a", "--out", "n/x"], 74),
    ):
        done = ddp_mlp("report", *words, cwd=tmp_path)
        assert done.code == code, (words, done.err)
        assert len(done.error_lines) == 1
