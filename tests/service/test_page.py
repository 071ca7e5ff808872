"""The page of the service in a real browser, on made-up runs: each state of it, by mouse and by keyboard."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import ddp_mlp
from tests.report.browser import Tab, chromium, needs_chromium
from tests.report.test_browser import AXE
from tests.service.fake_server import Fake, fake_service
from tests.service.made_jobs import every_state, made_job

#: Where pictures of the page are left for people, if anywhere.
PICTURES = os.environ.get("DDP_MLP_PICTURES", "")
VIEWS = {
    "list": "#/runs", "nothing": "#/runs?search=zzz", "run": "#/runs/6", "failed": "#/runs/3", "early": "#/runs/4",
    "queued": "#/runs/8", "ranks": "#/runs/1/ranks", "configuration": "#/runs/1/configuration", "log": "#/runs/1/log",
    "health": "#/runs/1/data", "model": "#/runs/1/model", "new": "#/new", "clone": "#/new/1",
    "compare": "#/compare/1,2,5", "data": "#/data",
}  # fmt: skip
CONTROL = 2
PAGE = Path(ddp_mlp.__file__).parent / "service" / "page"
MOST_LINES = 250


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    needs_chromium()
    with chromium(240) as found:
        yield found


@pytest.fixture
def fake() -> Iterator[Fake]:
    with fake_service(every_state()) as found:
        yield found


def text(tab: Tab, selector: str) -> str:
    return tab.value(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")


def click(tab: Tab, words: str, within: str = "body") -> None:
    """Click a button or a link by its words, once it is there."""
    within = json.dumps(f"{within} :is(button, a, summary)")
    found = f"[...document.querySelectorAll({within})].find((e) => e.textContent.trim() === "
    tab.until(f"((e) => e?.checkVisibility() && !e.disabled)({found}{json.dumps(words)}))")
    tab.value(f"{found}{json.dumps(words)}).click()")


def fill(tab: Tab, selector: str, words: str) -> None:
    tab.until(f"document.querySelector({json.dumps(selector)})")
    tab.value(f"{{ const e = document.querySelector({json.dumps(selector)}); e.focus(); e.select?.(); }}")
    tab.write(words)


def bodies(fake: Fake, path: str) -> list[dict]:
    return [json.loads(body) for method, asked, body in fake.asked if (method, asked) == ("POST", f"/api/v1/{path}")]


def test_every_module_is_asked_for_at_once():
    """A module that only another one names would be asked for a round later."""
    page = PAGE / "index.html"
    named = set(re.findall(r'"static/(\w+\.js)"', page.read_text()))
    assert {path.name for path in PAGE.glob("*.js")} <= named
    assert "style=" not in page.read_text()
    assert re.findall(r"<script(?![^>]*src=)", page.read_text()) == []


def test_modules_are_small():
    lines = {path.name: path.read_text().count("\n") for path in PAGE.glob("*.*")}
    assert {name: n for name, n in lines.items() if n > MOST_LINES} == {}


def axe_script() -> str:
    """Return axe-core, which is no part of this project (npm pack axe-core); empty where it is not here."""
    given = os.environ.get("DDP_MLP_AXE", "")
    assert given or not os.environ.get("DDP_MLP_REQUIRE_AXE")
    return Path(given).read_text() if given else ""


def settled(tab: Tab) -> None:
    """Wait until a view has what it asked for."""
    tab.until("!document.querySelector('.loading')?.checkVisibility() && document.querySelector('main h1')")


def test_every_view_is_drawn_without_a_foreign_request_or_a_word(tab, fake):
    """Names of runs hold HTML, and stay text. Axe-core looks too, if DDP_MLP_AXE names its axe.min.js."""
    axe, faults = axe_script(), {}
    for name, route in VIEWS.items():
        for width, scheme in ((1400, "light"), (390, "dark")):
            tab.visit(fake.url + route, width=width, scheme=scheme)
            settled(tab)
            assert tab.value("document.documentElement.dataset.theme") == scheme
            assert tab.value("document.documentElement.scrollWidth") <= width, (name, width)
            if PICTURES:
                tab.picture(Path(PICTURES) / f"{name}-{width}-{scheme}.png")
            if axe:
                tab.value("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
                tab.value(f"{axe}; 0")
                faults[name, scheme] = tab.value(AXE)
            foreign = [url for url in tab.requests if not url.startswith((fake.url, "data:", "about:"))]
            assert foreign == [], name
            assert tab.messages == [], name
    assert {place: found for place, found in faults.items() if found} == {}


def test_a_list_says_of_each_run_how_it_is(tab, fake):
    tab.visit(fake.url)
    tab.until("document.querySelectorAll('.runs tbody tr').length === 11")
    line = {job["id"]: text(tab, f"tr[data-id='{job['id']}'] .situation") for job in every_state()}
    assert line[1] == "30 epochs in 42 s"
    assert line[3].startswith("the loss was not finite at step 45")
    assert line[5] == "stopped in epoch 12 of 30 · can be resumed"
    assert line[6] == "epoch 9 of 200 · 12 s left"
    assert [line[8], line[9]] == ["waits for 2 cores", "waits for run 6"]
    assert text(tab, "tr[data-id='10'] .name") == "<img src=http:x onerror=console.log(1)>"
    click(tab, "failed2", ".filters")
    tab.until("document.querySelectorAll('.runs tbody tr').length === 2")
    assert tab.value("location.hash") == "#/runs?state=failed"


def test_a_live_run_changes_where_it_is(tab, fake):
    """The row of the list and the chart stay the same elements while an epoch is added."""
    tab.visit(fake.url)
    tab.until("document.querySelector('tr[data-id=\"6\"]')")
    tab.value("document.querySelector('tr[data-id=\"6\"]').isTheSame = true")
    fake.epoch(6)
    tab.until("document.querySelector('tr[data-id=\"6\"] .situation').textContent.includes('epoch 10 of 200')")
    assert tab.value("document.querySelector('tr[data-id=\"6\"]').isTheSame") is True
    click(tab, "moons", ".runs")
    tab.until("document.querySelectorAll('figure canvas').length === 6")
    assert tab.value("document.activeElement.tagName") == "H1"
    tab.value("document.querySelector('figure canvas').isTheSame = true")
    for _ in range(3):
        fake.epoch(6)
    tab.value("document.querySelector('.plot').focus()")
    tab.until("[...document.querySelectorAll('.situation')].some((e) => e.textContent.includes('epoch 13 of 200'))")
    tab.press("End")
    tab.until("document.querySelector('.reading').textContent.startsWith('epoch 13: training ')")
    assert tab.value("document.querySelector('figure canvas').isTheSame") is True
    for _ in range(6):
        tab.press("ArrowLeft")
    assert "best: epoch 7" in text(tab, ".reading")


def test_epochs_that_come_again_leave_a_mark(tab, fake):
    tab.visit(fake.url + "#/runs/6")
    tab.until("document.querySelector('canvas')")
    fake.rows[6] = fake.rows[6][:4]
    fake.epoch(6)
    tab.value("document.querySelector('.plot').focus()")
    tab.press("End")
    tab.until("document.querySelector('.reading').textContent.startsWith('epoch 5: ')")
    tab.press("ArrowLeft")
    assert "went on from here" in text(tab, ".reading")


def test_a_run_is_stopped_and_resumed(tab, fake):
    tab.visit(fake.url + "#/runs/6")
    click(tab, "Stop", ".runhead")
    tab.until("document.querySelector('.runhead .badge').textContent.includes('stopping')")
    fake.change(6, state="stopped", exit_code=75)
    click(tab, "Resume", ".runhead")
    tab.until("document.querySelector('.runhead .badge').textContent.includes('running')")
    assert [path for _, path, _ in fake.asked] == ["/api/v1/jobs/6/stop", "/api/v1/jobs/6/resume"]


def test_a_clone_has_other_values_and_keeps_the_text(tab, fake):
    tab.visit(fake.url + "#/runs/1")
    click(tab, "Clone", ".runhead")
    fill(tab, "[id='field-optimizer.learning_rate']", "fast")
    tab.until("document.querySelector('[id=\"problem-optimizer.learning_rate\"]').textContent.includes('no number')")
    assert tab.value("document.querySelector('[id=\"field-optimizer.learning_rate\"]').ariaInvalid") == "true"
    fill(tab, "[id='field-optimizer.learning_rate']", "0.002")
    tab.until("document.querySelector('.verdict').dataset.kind === 'good'")
    click(tab, "default", "[class~=field]:has([id='field-train.epochs'])")
    click(tab, "Start the clone")
    tab.until("location.hash === '#/runs/12'")
    sent = bodies(fake, "jobs")[-1]
    assert sent["overrides"] == {"optimizer.learning_rate": 0.002, "train.epochs": 200}, "epochs go back to the default"
    assert sent["config"].startswith("# the digits\n[data]")
    assert (sent["name"], sent["ranks"], sent["kind"]) == ("digits-clone", 2, "train")


def test_a_new_run_from_the_form_becomes_text(tab, fake):
    tab.visit(fake.url + "#/new")
    click(tab, "tables/moons.h5")
    fill(tab, "[id='field-model.hidden']", "32, 16")
    click(tab, "TOML")
    made = '[data]\ntrain = "tables/moons.h5"\n\n[model]\nhidden = [32, 16]\n'
    assert tab.value("document.querySelector('textarea.toml').value") == made
    fill(tab, "textarea.toml", made + "\n[optimizer]\nlearning_rat = 0.1\n")
    tab.until("document.querySelector('.errors li')")
    assert "did you mean learning_rate?" in text(tab, ".errors")
    click(tab, "line 8", ".errors")
    at = "document.querySelector('textarea.toml')"
    assert tab.value(f"{at}.value.slice({at}.selectionStart, {at}.selectionEnd)") == "learning_rat = 0.1"
    click(tab, "Start the run")
    tab.until("document.querySelector('.verdict').dataset.kind === 'bad'")
    assert tab.value("location.hash") == "#/new"
    tab.value(f"{at}.value = ''; {at}.focus()")
    tab.write(made)
    click(tab, "Start the run")
    tab.until("location.hash === '#/runs/12'")
    assert bodies(fake, "jobs")[-1]["config"] == made


def test_runs_are_marked_and_compared_by_keyboard(tab, fake):
    tab.visit(fake.url)
    tab.until("document.querySelectorAll('.runs tbody tr').length === 11")
    for key in ("j", "x", "j", "x", "j", "j", "x", "c"):
        tab.press(key)
    tab.until("document.querySelectorAll('.differs thead th').length === 3")
    assert tab.value("location.hash") == "#/compare/11,10,8"
    assert "optimizer.learning_rate" in text(tab, ".differs")
    fake.change(8, state="running", waits_for=None)
    tab.until("document.querySelector('.differs .running')")
    tab.press("r")
    tab.until("document.querySelectorAll('.runs tr.marked').length === 3")
    tab.press("Escape")
    assert tab.value("document.querySelectorAll('.runs tr.marked').length") == 0


def test_the_crown_of_a_comparison_goes_with_the_scores(tab, fake):
    """Of runs that go on: the best of when the page was opened need not be the best now."""
    for number, value in ((1, 0.5), (2, 0.25)):
        fake.change(number, best={"metric": "valid_loss", "value": value, "epoch": 1})
    tab.visit(fake.url + "#/compare/1,2")
    crowned = "[...document.querySelectorAll('.differs td')].filter((cell) => cell.querySelector('.crown'))"
    places = f"{crowned}.map((cell) => cell.cellIndex).join() + document.querySelectorAll('.winner').length"
    tab.until(f"{places} === '21'")
    fake.change(1, best={"metric": "valid_loss", "value": 0.125, "epoch": 2})
    tab.until(f"{places} === '11'")
    fake.change(1, best={"metric": "valid_accuracy", "value": 0.125, "epoch": 2})
    tab.until(f"{places} === '0'")


def test_a_run_is_made_by_keyboard_alone(tab, fake):
    tab.visit(fake.url)
    tab.press("?")
    tab.until("document.querySelector('dialog[open]')")
    tab.press("Enter")
    tab.until("!document.querySelector('dialog')")
    tab.press("n")
    tab.until("document.querySelector('[id=\"field-data.train\"]')")
    for _ in range(60):
        tab.press("Tab")
        if tab.value("document.activeElement.id") == "field-data.train":
            break
        assert tab.value("document.activeElement.matches(':focus-visible')")
    tab.write("digits.h5")
    tab.press("Enter", CONTROL)
    tab.until("location.hash === '#/runs/12'")
    assert bodies(fake, "jobs")[-1]["config"] == '[data]\ntrain = "digits.h5"\n'
    tab.press("4")
    tab.until("document.querySelector('.log')?.textContent.includes('epoch 19')")


def test_a_table_is_answered_and_files_are_taken_along(tab, fake, tmp_path):
    tab.visit(fake.url + "#/runs/1/model")
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    tab.until("document.querySelector('.drop input')")
    tab.give_file(".drop input", tmp_path / "rows.csv")
    tab.until("document.querySelectorAll('.answers tbody tr').length === 100")
    assert "360 answers" in text(tab, ".answers")
    assert b"a,b\n1,2\n" in fake.asked[-1][2]
    hrefs = tab.value("[...document.querySelectorAll('.downloads a')].map((e) => e.getAttribute('href'))")
    assert "api/v1/jobs/1/export?format=onnx" in hrefs
    assert "api/v1/jobs/1/files/model.h5" in hrefs


def test_a_table_is_uploaded_and_trained_on(tab, fake, tmp_path):
    tab.visit(fake.url + "#/data")
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    tab.until("document.querySelector('.drop input')")
    tab.give_file(".drop input", tmp_path / "table.csv")
    fill(tab, "#import-target", "b")
    click(tab, "Import")
    tab.until("document.querySelector('.made')?.textContent.includes('150 rows')")
    assert b'{"target":["b"]}' in fake.asked[-1][2]
    click(tab, "Train on it", ".made")
    tab.until("document.querySelector('[id=\"field-data.train\"]')?.value === 'uploads/table.h5'")


def test_a_run_is_removed_after_a_question(tab, fake):
    tab.visit(fake.url + "#/runs/5")
    click(tab, "Remove", ".runhead")
    tab.until("document.querySelector('dialog[open]')")
    click(tab, "Cancel", "dialog")
    tab.until("!document.querySelector('dialog')")
    assert 5 in fake.jobs
    click(tab, "Remove", ".runhead")
    click(tab, "Remove", "dialog")
    tab.until("document.querySelectorAll('.runs tbody tr').length === 10")
    assert 5 not in fake.jobs


def test_a_lost_connection_is_said_and_made_up_for(tab, fake):
    tab.visit(fake.url)
    tab.until("document.querySelector('#connection').dataset.state === 'live'")
    fake.cut_off()
    tab.until("document.querySelector('#banner').textContent.startsWith('Connection lost, trying again')")
    fake.jobs[12] = made_job(12, "meanwhile", "running", done=1)
    fake.is_gone = False
    tab.until("document.querySelector('tr[data-id=\"12\"]')", 30)
    assert tab.value("document.querySelector('#banner').hidden") is True


def test_a_server_for_reading_shows_nothing_to_press(tab):
    with fake_service(every_state(), read_only=True) as fake:
        for route in ("#/runs", "#/runs/5", "#/data"):
            tab.visit(fake.url + route)
            settled(tab)
            assert tab.value("[...document.querySelectorAll('.writes')].filter((e) => e.checkVisibility()).length") == 0
            tab.press("s"), tab.press("n")
        assert fake.asked == []


def test_a_thousand_runs_are_found_by_a_word(tab):
    jobs = [made_job(i, f"run-{i}", "finished", done=i % 29 + 1) for i in range(1, 1001)]
    with fake_service(jobs) as fake:
        tab.visit(fake.url)
        tab.until("document.querySelector('.filters .count').textContent === '1000'")
        assert tab.value("document.querySelectorAll('.runs tbody tr').length") <= 200
        tab.value("scrollTo(0, document.body.scrollHeight)")
        tab.until("document.querySelectorAll('.runs tbody tr').length > 100")
        tab.press("/")
        tab.write("run-77")
        tab.until("document.querySelectorAll('.runs tbody tr').length === 11")
        assert tab.messages == []


def test_an_empty_service_says_how_to_begin(tab):
    with fake_service([]) as fake:
        fake.data.clear()
        tab.visit(fake.url)
        tab.until("document.querySelector('.empty')")
        assert "No runs yet" in text(tab, ".empty")
        tab.visit(fake.url + "#/new")
        tab.until("document.querySelector('form.config')")
        assert "upload a table" in text(tab, "form.config")
