"""The page of each kind of run: all of it there, nothing of it alive, and small."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from ddp_mlp.report.pages.page import comparison, page_of
from ddp_mlp.report.records.record import Record, read_record
from tests.report.made import make_run
from tests.report.pages.test_markup import EVIL

MOST_BYTES = 1_500_000


class Parsed(HTMLParser):
    """Elements of a page with their attributes, and the text of its body."""

    def __init__(self, text: str) -> None:
        HTMLParser.__init__(self)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._in_script = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.elements.append((tag, dict(attrs)))
        self._in_script = tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self._in_script:
            self.words.append(data)
        self._in_script = False

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def data_of(page: str) -> dict[str, Any]:
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(found)


def check(page: str) -> Parsed:
    """Check what holds for every page."""
    parsed = Parsed(page)
    assert len(page.encode()) < MOST_BYTES
    assert [tag for tag, _ in parsed.elements].count("script") == 3
    loading = [a for tag, a in parsed.elements if {"src", "srcset", "href", "action", "background"} & set(a)]
    assert loading == [{"rel": "icon", "href": "data:,"}]
    assert [a for _, a in parsed.elements if any(name.startswith("on") or name == "style" for name in a)] == []
    return parsed


def page(*records: Record) -> Parsed:
    return check(page_of(records))


def test_a_run_tells_what_it_was_and_how_to_run_it_again(tmp_path):
    found = page(read_record(make_run(tmp_path / "a", wall_s=75.0, samples_per_s=10154.4))).text
    for part in ("This run finished, after 20 of 20 epochs", "(epoch 7)", "90 rows train, 10 validate",
                 "610 parameters", "1 min 15 s", "10 154 samples/s",
                 f"ddp-mlp launch -n 2 train {tmp_path}/a/config.toml --out",
                 "optimizer.learning_rate 0.01", "2 ranks x 1 thread"):  # fmt: skip
        assert part in found, part


def test_only_runs_that_could_go_on_are_told_how(tmp_path):
    for code, goes_on in ((79, False), (74, True)):
        found = page(read_record(make_run(tmp_path / str(code), done=4, state="failed", exit_code=code))).text
        assert ("--resume" in found) is goes_on, code
        assert "Run it again" in found


def test_runs_of_every_fate_have_a_page(tmp_path):
    reason = "the loss was not finite at step 35; a smaller [optimizer] learning_rate than 0.1 may help"
    made = {
        "running, after 5 of 20 epochs": make_run(tmp_path / "running", done=5, state="running"),
        reason: make_run(tmp_path / "diverged", done=3, state="failed", exit_code=79, reason=reason),
        "was stopped": make_run(tmp_path / "stopped", done=9, state="stopped"),
        "stopped early": make_run(tmp_path / "early", done=12, state="early-stopped"),
        "after 1 of 1 epochs": make_run(tmp_path / "one", 1),
        "before the end of its first epoch": make_run(tmp_path / "none", done=0, state="running"),
        "10 000 of 10 000 epochs": make_run(tmp_path / "long", 10_000),
    }
    for part, path in made.items():
        assert part in page(read_record(path)).text, path
    assert "--resume" in page(read_record(tmp_path / "stopped")).text
    assert "--resume" not in page(read_record(tmp_path / "one")).text
    assert "about 10.5 s left" in page(read_record(tmp_path / "running")).text


def test_a_directory_with_nothing_readable_in_it_has_a_page(tmp_path):
    path = make_run(tmp_path / "a")
    for name in ("config.toml", "status.json", "metrics.csv", "log.txt"):
        (path / name).write_bytes(b"\xff\xfe")
    assert "has not told how it is" in page(read_record(path)).text


def test_nothing_of_a_user_is_alive_in_a_page(tmp_path):
    quoted = json.dumps(EVIL)
    path = make_run(tmp_path / "<img src=x onerror=alert(1)>", state="failed", reason=EVIL, host=EVIL, log=(EVIL,))
    config = (path / "config.toml").read_text().replace('"adam"', quoted).replace('"relu"', quoted)
    (path / "config.toml").write_text(f"{config}\n{quoted} = {quoted}\n".replace("\\u001b", ""))
    other = make_run(tmp_path / "b</title><script>")
    for records in ([read_record(path)], [read_record(path), read_record(other)]):
        text = page_of(records)
        check(text)
        assert "<script>alert" not in text
        assert "<img" not in text


@pytest.mark.parametrize("n_runs", [2, 5, 30])
def test_several_runs_show_what_differs_beside_their_scores(tmp_path, n_runs):
    records = [read_record(make_run(tmp_path / f"r{i}", 3 + i, rate=0.01 * (i + 1))) for i in range(n_runs)]
    header, rows = comparison(records)
    assert header[-2:] == ["optimizer.learning_rate", "train.epochs"]
    assert [row[0] for row in rows] == [f"r{i}" for i in range(n_runs)]
    text = page_of(records)
    check(text)
    assert len(data_of(text)["runs"]) == min(n_runs, 24)


def test_long_runs_beside_each_other_stay_small(tmp_path):
    records = [read_record(make_run(tmp_path / f"r{i}", 3000)) for i in range(24)]
    check(page_of(records))


def test_the_curves_of_a_long_run_keep_their_best_epoch(tmp_path):
    data = data_of(page_of([read_record(make_run(tmp_path / "a", 10_000))]))
    loss = next(chart for chart in data["charts"] if chart["key"] == "loss")
    (series,) = loss["series"]
    assert 400 < len(series["x"]) < 1700
    assert series["x"][0] == 1
    assert series["x"][-1] == 10_000
    (best,) = data["marks"][0]
    assert best["epoch"] in series["x"]
    assert [line["label"] for line in series["lines"]] == ["training", "validation"]


def test_restarts_and_failures_are_marked(tmp_path):
    log = ("2026-01-02T03:05:00Z stopped by SIGTERM at step 105, state saved; go on with --resume",
           "2026-01-02T03:06:00Z going on from step-00000105.h5")  # fmt: skip
    data = data_of(page_of([read_record(make_run(tmp_path / "a", state="failed", log=log))]))
    marks = {mark["kind"]: mark["epoch"] for mark in data["marks"][0]}
    assert marks == {"best": 7, "stopped": 10.5, "resumed": 10.5, "failed": 20}
