"""Debian's Chromium without a window, driven through a pipe: no port, no network, no profile that stays."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

REQUIRED = "DDP_MLP_REQUIRE_CHROMIUM"
_FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars --remote-debugging-pipe"
)
_DEADLINE_S = 60


def needs_chromium() -> None:
    """Skip the test where no Chromium is installed, unless it is required."""
    if shutil.which("chromium") is None:
        if os.environ.get(REQUIRED):
            pytest.fail(f"chromium is not installed, and {REQUIRED} is set")
        pytest.skip("chromium is not installed (apt-get install chromium)")


class Tab:
    """A tab that notes each request, console message and error of the pages in it."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._buffer, self._number, self._session = b"", 0, ""
        self._is_loaded = False
        self.requests: list[str] = []
        self.messages: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command of the DevTools protocol and return its result."""
        self._number += 1
        session = {"sessionId": self._session} if self._session else {}
        message = {"id": self._number, "method": method, "params": params, **session}
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            self._note(answer)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            more = os.read(self._from, 2**16)
            assert more, "the browser has ended"
            self._buffer += more
        text, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(text)

    def _note(self, event: dict[str, Any]) -> None:
        params = event.get("params", {})
        self._is_loaded |= event.get("method") == "Page.loadEventFired"
        if event.get("method") == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif event.get("method") in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"):
            self.messages.append(json.dumps(params)[:500])

    def show(self, page: Path, *, width: int = 1400, height: int = 1600, scheme: str = "light") -> None:
        """Load a page at a width, in light or dark."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self._is_loaded = False
        self.call("Page.navigate", url=page.as_uri())
        while not self._is_loaded:
            self._note(self._next())

    def visit(self, url: str, *, width: int = 1400, height: int = 900, scheme: str = "light") -> None:
        """Load a page of a server, at a width, in light or dark, wait until it is ready, and forget earlier pages."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Page.navigate", url="about:blank")
        self.until("location.href === 'about:blank' && document.readyState === 'complete'")
        self.requests.clear(), self.messages.clear()
        self.call("Page.navigate", url=url)
        self.until("location.href !== 'about:blank' && document.documentElement?.dataset.ready === 'yes'")

    def until(self, expression: str, seconds: float = 20.0) -> None:
        """Wait until an expression is true, or is an element."""
        end = time.monotonic() + seconds
        while not self.value(f"Boolean({expression})"):
            assert time.monotonic() < end, f"not true within {seconds} s: {expression}\n{self.messages}"
            time.sleep(0.02)

    def give_file(self, selector: str, path: Path) -> None:
        """Choose a file in a field."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        found = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=found, files=[str(path)])

    def write(self, text: str) -> None:
        """Type a text into the element that has the focus."""
        self.call("Input.insertText", text=text)

    def value(self, expression: str) -> Any:
        """Return the value of a JavaScript expression in the page."""
        found = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def press(self, key: str, modifiers: int = 0) -> None:
        """Press a key on the element that has the focus; of modifiers, 2 is Control and 8 is Shift."""
        text = {"Enter": "\r", " ": " "}.get(key, key if len(key) == 1 else "")
        code = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32}.get(key, 0)
        more = {"windowsVirtualKeyCode": code} if code else {}
        for kind in ("keyDown", "keyUp"):
            said = {"text": text} if text and kind == "keyDown" and not modifiers & 2 else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, modifiers=modifiers, **more, **said)

    def picture(self, path: Path) -> None:
        """Write the whole page as a PNG."""
        found = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(found["data"]))


@contextmanager
def chromium(deadline_s: float = _DEADLINE_S) -> Iterator[Tab]:
    """Start a browser with an empty profile, give a tab of it, and end it."""
    to_read, to_write = os.pipe()
    from_read, from_write = os.pipe()
    with tempfile.TemporaryDirectory(prefix="ddp-mlp-browser-", ignore_cleanup_errors=True) as profile:
        command = f'exec chromium {_FLAGS} --user-data-dir="$0" about:blank 3<&{to_read} 4>&{from_write}'
        process = subprocess.Popen(
            ["timeout", "-k", "5", str(deadline_s), "bash", "-c", command, profile],
            pass_fds=(to_read, from_write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_read), os.close(from_write)
        try:
            yield Tab(to_write, from_read)
        finally:
            process.terminate()  # timeout passes it on, and kills what stays
            process.wait()
            os.close(to_write), os.close(from_read)
