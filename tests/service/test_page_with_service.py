"""The page before a service that trains: from the form to answers, in a real browser."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import onnx
import pytest

from tests.report.browser import Tab, chromium, needs_chromium
from tests.runs import make_data
from tests.service.test_page import CONTROL, click, fill, text

SHIFT = 8


@contextmanager
def serving(directory: Path) -> Iterator[str]:
    """Serve a directory on a free port of this machine, and give the link; jobs end with it."""
    command = [sys.executable, "-m", "ddp_mlp", "serve", str(directory), "--port", "0", "--cores", "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip().rpartition(" ")[2]
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    needs_chromium()
    with chromium(240) as found:
        yield found


def epoch(tab: Tab) -> int:
    """Return the last epoch that the first chart has, as it is read out."""
    tab.value("document.querySelector('.plot').focus()")
    tab.press("End")
    return int(text(tab, ".reading").removeprefix("epoch ").partition(":")[0])


def state(tab: Tab, name: str) -> None:
    tab.until(f"document.querySelector('.runhead .badge')?.textContent.includes('{name}')", 60)


def ask_all_to_stop(tab: Tab) -> None:
    """Leave no job behind."""
    tab.value("""(async () => {
      const { csrf } = await (await fetch("api/v1/session")).json();
      const { jobs } = await (await fetch("api/v1/jobs?state=queued,running")).json();
      for (const job of jobs) {
        await fetch(`api/v1/jobs/${job.id}/stop`, { method: "POST", headers: { "X-CSRF-Token": csrf } });
      }
    })()""")
    ended = "(await (await fetch('api/v1/jobs?state=queued,running,stopping')).json()).total === 0"
    end = time.monotonic() + 60
    while not tab.value(f"(async () => {ended})()"):
        assert time.monotonic() < end
        time.sleep(0.2)


def digits_as_tables(folder: Path) -> None:
    """Write the digits as a table with names, and some rows of it without the answers."""
    make_data(folder, "digits", None)
    with h5py.File(folder / "digits.h5") as file:
        features, targets = file["train/features"][:], file["train/targets"][:]
    names = [f"pixel{i}" for i in range(features.shape[1])]
    whole = np.column_stack([features, targets])
    np.savetxt(folder / "digits.csv", whole, delimiter=",", header=",".join([*names, "digit"]), comments="", fmt="%d")
    np.savetxt(folder / "rows.csv", features[:7], delimiter=",", header=",".join(names), comments="", fmt="%d")
    (folder / "digits.h5").unlink()


def test_from_the_form_to_answers(tab, tmp_path):
    """Uploads, submits, watches, stops, resumes, clones, compares, takes ONNX along, and answers a table."""
    digits_as_tables(tmp_path)
    with serving(tmp_path) as link:
        tab.visit(link)
        try:
            origin = tab.value("location.href")
            assert "token" not in origin
            _upload(tab, tmp_path)
            _submit_and_watch(tab)
            _stop_and_resume(tab)
            _clone(tab)
            _compare(tab)
            _take_along(tab, tmp_path)
            _answer(tab, tmp_path)
        finally:
            ask_all_to_stop(tab)
    foreign = [url for url in tab.requests if not url.startswith((origin, "data:", "about:", "blob:"))]
    assert foreign == [], "but for the link itself, which carries the token"
    assert tab.messages == []


def _upload(tab: Tab, folder: Path) -> None:
    tab.requests.clear()
    tab.press("d")
    tab.until("document.querySelector('.drop input')")
    tab.give_file(".drop input", folder / "digits.csv")
    fill(tab, "#import-target", "digit")
    tab.press("Enter")
    tab.until("document.querySelector('.made h3')", 60)
    assert "64 features" in text(tab, ".made")


def _submit_and_watch(tab: Tab) -> None:
    """By keyboard alone."""
    path = text(tab, ".made h3")
    tab.value("document.activeElement.blur()")
    tab.press("n")
    tab.until("document.querySelector('[id=\"field-data.train\"]')")
    # Slowly, so that it gets better all the time: a run that ends by itself cannot be stopped any more.
    wanted = {
        "data.train": path,
        "model.hidden": "512, 512",
        "train.epochs": "5000",
        "optimizer.learning_rate": "1e-6",
    }
    for name, value in wanted.items():
        for _ in range(80):
            if tab.value("document.activeElement.id") == f"field-{name}":
                break
            tab.press("Tab")
        assert tab.value("document.activeElement.id") == f"field-{name}"
        tab.write(value)
    tab.until("document.querySelector('.verdict').dataset.kind === 'good'")
    tab.press("Enter", CONTROL)
    tab.until("document.querySelector('.plot canvas')", 90)
    first = epoch(tab)
    tab.value("document.querySelector('canvas').isTheSame = true")
    tab.until(f"document.querySelector('.going .situation').textContent.match(/epoch (\\d+)/)?.[1] > {first + 3}")
    end = time.monotonic() + 10
    while epoch(tab) <= first:  # the chart follows with the next frame
        assert time.monotonic() < end
    assert tab.value("document.querySelector('canvas').isTheSame"), "no chart is made anew for an epoch"


def _stop_and_resume(tab: Tab) -> None:
    tab.value("document.activeElement.blur()")
    tab.press("s")
    state(tab, "stopped")
    reached = epoch(tab)
    click(tab, "Resume", ".runhead")
    state(tab, "running")
    tab.until(f"document.querySelector('.going .situation').textContent.match(/epoch (\\d+)/)?.[1] > {reached}", 60)
    click(tab, "Stop", ".runhead")
    state(tab, "stopped")


def _clone(tab: Tab) -> None:
    click(tab, "Clone", ".runhead")
    fill(tab, "[id='field-optimizer.learning_rate']", "0.02")
    fill(tab, "[id='field-train.epochs']", "none")
    tab.until("document.querySelector('[id=\"problem-train.epochs\"]').textContent.length > 5")
    fill(tab, "[id='field-train.epochs']", "3")
    fill(tab, "#wish-name", "faster")
    tab.messages.clear()  # the browser notes each answer that refuses
    tab.until("document.querySelector('.verdict').dataset.kind === 'good'")
    click(tab, "Start the clone")
    state(tab, "finished")
    assert text(tab, "h1") == "faster"


def _compare(tab: Tab) -> None:
    tab.press("r")
    tab.until("document.querySelectorAll('.runs tbody tr').length === 2")
    for key in ("j", "x", "j", "x", "c"):
        tab.press(key)
    tab.until("document.querySelector('.differs')")
    rows = tab.value("[...document.querySelectorAll('.differs tr.key')].map((row) => row.innerText)")
    assert any(row.startswith("optimizer.learning_rate") and "0.02" in row for row in rows), rows
    tab.until("document.querySelectorAll('canvas').length > 3")


def _take_along(tab: Tab, folder: Path) -> None:
    tab.value("location.hash = '#/runs/2/model'")
    taken = folder / "taken"
    tab.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(taken))
    click(tab, "ONNX", ".downloads")
    end = time.monotonic() + 60
    while not (found := list(taken.glob("*.onnx"))):
        assert time.monotonic() < end
        time.sleep(0.1)
    assert onnx.load(found[0]).graph.node


def _answer(tab: Tab, folder: Path) -> None:
    tab.give_file(".drop input", folder / "rows.csv")
    tab.until("document.querySelectorAll('.answers tbody tr').length === 7", 60)
    assert "7 answers" in text(tab, ".answers")
