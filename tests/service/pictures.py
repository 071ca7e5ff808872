"""Pictures of the page for the documentation: ``python -m tests.service.pictures docs/images``."""

from __future__ import annotations

import base64
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.report.browser import Tab, chromium
from tests.service.fake_server import fake_service
from tests.service.made_jobs import made_job

#: Name, part of the page, width, height, colours.
PICTURES = (
    ("service-list", "#/runs", 1200, 640, "light"),
    ("service-run", "#/runs/7", 1200, 800, "light"),
    ("service-new", "#/new/4", 1200, 760, "light"),
    ("service-compare", "#/compare/3,4,5", 1200, 760, "light"),
    ("service-phone", "#/runs/7", 390, 760, "dark"),
)
_DIVERGED = "the loss was not finite at step 45; [optimizer] learning_rate = 10 is large for adam; try 0.001"


def runs() -> list[dict[str, Any]]:
    """Return runs as a morning of work leaves them."""
    jobs = [
        made_job(1, "digits", "finished", done=30),
        made_job(2, "digits-fast", "failed", done=4, reason=_DIVERGED),
        made_job(3, "digits-wide", "finished", done=30),
        made_job(4, "digits-narrow", "finished", done=24, reason="stopped early, as it was told to"),
        made_job(5, "reactor", "stopped", done=12),
        made_job(6, "reactor-search", "queued", kind="search", waits_for="2 cores"),
        made_job(7, "reactor-long", "running", done=38, epochs=60),
        made_job(8, "reactor-ensemble", "queued", kind="ensemble", after=[7], waits_for="run 7"),
    ]
    return [_timed(job, timedelta(minutes=12 * (8 - job["id"]))) for job in jobs]


def _timed(job: dict[str, Any], before: timedelta) -> dict[str, Any]:
    begun = datetime.now(UTC) - before - timedelta(seconds=42)
    ended = (begun + timedelta(seconds=42)).isoformat() if job["ended_utc"] else None
    started = begun.isoformat() if job["started_utc"] else None
    return {**job, "created_utc": begun.isoformat(), "started_utc": started, "ended_utc": ended}


def _take(tab: Tab, path: Path) -> None:
    taken = tab.call("Page.captureScreenshot", format="webp", quality=82)
    path.write_bytes(base64.b64decode(taken["data"]))


def main(folder: Path) -> None:
    """Write all pictures."""
    with fake_service(runs()) as fake, chromium() as tab:
        for name, route, width, height, scheme in PICTURES:
            tab.visit(fake.url + route, width=width, height=height, scheme=scheme)
            tab.until("!document.querySelector('.loading')?.checkVisibility()")
            time.sleep(1)
            _take(tab, folder / f"{name}.webp")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
