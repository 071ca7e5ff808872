"""Pages in a real browser: drawn, quiet, without a request, at a phone's width, in light and dark, by keyboard."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ddp_mlp.report.writing import write_report
from tests.report.browser import Tab, chromium, needs_chromium
from tests.report.made import make_run
from tests.report.pages.test_ranks_section import ranks
from tests.report.pages.test_study_section import study
from tests.runs import MOONS, make_data, train_here

#: Where pictures of the pages are left for people, if anywhere.
PICTURES = os.environ.get("DDP_MLP_PICTURES", "")
REASON = "the loss was not finite at step 45; [optimizer] learning_rate = 10 is large for adam; try 0.001"
RESTART = ("2026-01-02T03:05:00Z stopped by SIGTERM at step 55, state saved; go on with --resume",
           "2026-01-02T03:06:00Z going on from step-00000055.h5")  # fmt: skip


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    single = {
        "running": make_run(folder / "running", done=5, state="running"),
        "diverged": make_run(folder / "diverged", done=4, state="failed", reason=REASON),
        "one": make_run(folder / "one", 1),
        "none": make_run(folder / "none", done=0, state="running"),
        "long": make_run(folder / "long", 10_000),
        "evil": make_run(folder / "<img src=http:x onerror=console.log(1)>", log=("<script>console.log(2)</script>",)),
    }
    single["restarted"] = make_run(folder / "on ranks", log=RESTART, ranks=ranks([3.0, 2.0], [0.0, 1.0]))
    several = [make_run(folder / f"r{i}", 10 + i, rate=0.01 * (i + 1)) for i in range(5)]
    make_data(folder, "moons", 100)
    (folder / "c.toml").write_text(MOONS + "learning_rate = 0.01\n[train]\nepochs = 2\n")
    train_here(folder, "moons")
    single["answers"] = folder / "moons"
    make_data(folder, "digits", None)
    (folder / "c.toml").write_text(MOONS.replace("moons", "digits") + "[train]\nepochs = 2\n")
    train_here(folder, "digits")
    single["classes"] = folder / "digits"
    make_data(folder, "sine", 100)
    (folder / "c.toml").write_text(MOONS.replace("moons", "sine") + "[train]\nepochs = 2\nlog_layer_norms = true\n")
    train_here(folder, "sine")
    single["regression"] = folder / "sine"
    single["study"] = study(folder / "study")
    return {name: write_report([path]) for name, path in single.items()} | {
        "five": write_report(several, folder / "five.html")
    }


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    needs_chromium()
    with chromium() as found:
        yield found


def test_every_page_is_drawn_without_a_request_or_a_word(tab, pages):
    for name, page in pages.items():
        for width in (1400, 390):
            for scheme in ("light", "dark"):
                tab.requests.clear(), tab.messages.clear()
                tab.show(page, width=width, scheme=scheme)
                assert tab.value("document.documentElement.dataset.ready") == "yes", (name, tab.messages)
                assert tab.value("document.documentElement.dataset.theme") == scheme
                assert tab.value("document.querySelectorAll('figure[data-chart]:not(:has(canvas))').length") == 0
                assert tab.value("document.documentElement.scrollWidth") <= width, (name, width)
                if PICTURES:
                    tab.picture(Path(PICTURES) / f"{name}-{width}-{scheme}.png")
                assert [url for url in tab.requests if not url.startswith("data:")] == [page.as_uri()]
                assert tab.messages == [], name


def test_curves_are_read_by_keyboard(tab, pages):
    tab.show(pages["restarted"])
    tab.value("document.querySelector('.plot').focus()")
    for key in ("Home", *["ArrowRight"] * 5):
        tab.press(key)
    said = tab.value("document.querySelector('.reading').textContent")
    assert said.startswith("epoch 6: training 0.17667 · validation 0.22667")
    assert "stopped at step 55" in said
    assert "resumed at step 55" in said
    tab.press("ArrowRight")
    assert "best: epoch 7" in tab.value("document.querySelector('.reading').textContent")
    assert tab.messages == []


def test_switches_work(tab, pages):
    tab.show(pages["five"])
    tab.value("document.querySelector('.log').click()")
    tab.value("document.querySelector('.legend input').click()")
    tab.value("const s = document.getElementById('smoothing'); s.value = 0.9; s.dispatchEvent(new Event('input'))")
    tab.value("document.getElementById('theme').click()")
    assert tab.value("document.documentElement.dataset.theme") == "dark"
    first = "document.querySelector('tbody tr th').textContent"
    head = "[...document.querySelectorAll('thead button')].find((b) => b.textContent.startsWith('epochs'))"
    assert tab.value(first) == "r0"
    tab.value(f"{head}.click()")
    tab.value(f"{head}.click()")
    assert tab.value(first) == "r4"
    assert tab.value(f"{head}.parentNode.getAttribute('aria-sort')") == "descending"
    assert tab.messages == []


def test_elements_have_names_and_text_its_contrast(tab, pages):
    """What of axe-core's serious faults a page like this can have."""
    for scheme in ("light", "dark"):
        tab.show(pages["diverged"], scheme=scheme)
        assert tab.value(_UNNAMED) == 0
        lowest = tab.value(_CONTRAST)
        assert lowest["ratio"] >= 4.5, lowest


def test_legends_take_little_room(tab, pages):
    tab.show(pages["classes"])
    assert tab.value("Math.max(...[...document.querySelectorAll('.legend li')].map((e) => e.clientHeight))") < 40


def test_charts_fit_on_paper(tab, pages):
    for width in (1400, 390):
        tab.show(pages["restarted"], width=width)
        tab.call("Emulation.setDeviceMetricsOverride", width=700, height=900, deviceScaleFactor=1, mobile=False)
        tab.call("Emulation.setEmulatedMedia", media="print")
        assert tab.value(_BEYOND) == []
        tab.call("Emulation.setEmulatedMedia", media="")


def test_tables_fit_on_paper(tab, pages):
    """Paper cannot be scrolled; what is wider than a page is cut."""
    for name in ("study", "five", "classes", "regression"):
        tab.show(pages[name])
        tab.call("Emulation.setDeviceMetricsOverride", width=700, height=900, deviceScaleFactor=1, mobile=False)
        tab.call("Emulation.setEmulatedMedia", media="print")
        assert tab.value(_WIDE) == [], name
        tab.call("Emulation.setEmulatedMedia", media="")


_WIDE = """[...document.querySelectorAll("table")].filter((table) => table.checkVisibility()
  && (table.getBoundingClientRect().right > innerWidth || table.parentElement.scrollWidth > innerWidth))
  .map((table) => table.textContent.slice(0, 80))"""

_BEYOND = """[...document.querySelectorAll("figure[data-chart]")].filter((figure) => {
  const frame = figure.getBoundingClientRect(), chart = figure.querySelector("canvas").getBoundingClientRect();
  return chart.right > frame.right || chart.bottom > frame.bottom || chart.width < frame.width / 2;
}).map((figure) => figure.dataset.chart)"""


def test_axe_finds_no_serious_fault(tab, pages):
    """Axe-core is no part of this project: DDP_MLP_AXE names its axe.min.js (npm pack axe-core)."""
    given = os.environ.get("DDP_MLP_AXE", "")
    if not given and not os.environ.get("DDP_MLP_REQUIRE_AXE"):
        pytest.skip("axe-core is not here (npm pack axe-core, and DDP_MLP_AXE=.../axe.min.js)")
    script, faults = Path(given).read_text(), {}
    for name in ("restarted", "diverged", "answers", "classes", "regression", "study", "five", "none", "long"):
        for scheme, width in (("light", 1400), ("dark", 390)):
            tab.show(pages[name], scheme=scheme, width=width)
            tab.value("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
            tab.value(f"{script}; 0")
            faults[name, scheme] = tab.value(AXE)
    assert {place: found for place, found in faults.items() if found} == {}


AXE = """axe.run(document, {resultTypes: ["violations"]}).then((found) => found.violations
  .filter((one) => ["serious", "critical"].includes(one.impact))
  .map((one) => one.id + ": " + one.nodes.slice(0, 3).map((node) => node.html.slice(0, 120)).join(" | ")))"""

_UNNAMED = """[...document.querySelectorAll('button, input, .plot, .wide')].filter((e) =>
  !(e.ariaLabel || e.textContent.trim() || e.labels?.[0]?.textContent.trim())).length"""

_CONTRAST = """(() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
  let lowest = { ratio: 99, text: "" };
  document.querySelectorAll("body *").forEach((e) => {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) || e.closest("script")) return;
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind(e))].sort((p, q) => q - p);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < lowest.ratio) lowest = { ratio, text: e.textContent.slice(0, 40) };
  });
  return lowest;
})()"""
