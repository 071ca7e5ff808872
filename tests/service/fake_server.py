"""A server that answers as the service does, from runs that are made up: one in each state, or a thousand."""

from __future__ import annotations

import json
import queue
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ddp_mlp.config.reference import json_schema
from tests.service.made_jobs import ANSWERS, COLUMNS, CONFIG, HEALTH, RANKS, UNDERSTOOD, made_job, row

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
TYPES = {"html": "text/html; charset=utf-8", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}


class Fake:
    """The jobs of a made-up service, and its viewers.

    Attributes
    ----------
    asked : list of tuple
        Each request that changes something: method, path, body.
    is_gone : bool
        Whether connections are cut off, as by a server that was killed.
    """

    def __init__(self, jobs: list[dict[str, Any]], *, read_only: bool = False) -> None:
        self.jobs = {job["id"]: job for job in jobs}
        self.rows = {
            job["id"]: [row(e + 1, job["id"] % 3) for e in range((job["progress"] or {}).get("epoch", 0))]
            for job in jobs
        }
        self.read_only, self.is_gone, self.asked, self.url = read_only, False, [], ""
        self.data = [
            {"path": "digits.h5", "bytes": 481_280, "modified_utc": "2026-01-02T03:04:05Z"},
            {"path": "tables/moons.h5", "bytes": 24_576, "modified_utc": "2026-01-01T03:04:05Z"},
        ]
        self._viewers: list[queue.Queue[bytes | None]] = []
        self._number = 0

    def tell(self, kind: str, content: Any) -> None:
        """Send an event to all viewers."""
        self._number += 1
        text = f"id: {self._number}\nevent: {kind}\ndata: {json.dumps(content)}\n\n".encode()
        for viewer in list(self._viewers):
            viewer.put(text)

    def change(self, number: int, **changes: Any) -> dict[str, Any]:
        """Change a job, and say so."""
        self.jobs[number] = {**self.jobs[number], **changes}
        self.tell("job", self.jobs[number])
        return self.jobs[number]

    def epoch(self, number: int) -> None:
        """Let a job end its next epoch."""
        rows = self.rows.setdefault(number, [])
        rows.append(row(len(rows) + 1, number % 3))
        self.tell("epoch", {"id": number, "row": rows[-1]})
        now = made_job(number, self.jobs[number]["name"], "running", done=len(rows), epochs=200)
        self.change(number, **{key: now[key] for key in ("progress", "latest", "best", "sparkline")})

    def cut_off(self) -> None:
        """End the connections of all viewers, and answer nobody any more."""
        self.is_gone = True
        for viewer in list(self._viewers):
            viewer.put(None)

    def follow(self) -> Iterator[bytes]:
        """Yield events for one viewer."""
        viewer: queue.Queue[bytes | None] = queue.Queue()
        self._viewers.append(viewer)
        yield b"retry: 300\n\n"
        while (event := viewer.get()) is not None:
            yield event
        self._viewers.remove(viewer)


def _refusal(config: str, overrides: dict[str, Any]) -> dict[str, Any] | None:
    """Return the problem of a configuration; None for none that the fake knows."""
    errors = []
    if "learning_rat =" in config:
        errors.append({"key": "optimizer.learning_rat", "message": "unknown key; did you mean learning_rate?"})
    rate = overrides.get("optimizer.learning_rate", 0.01)
    if (isinstance(rate, str) and rate != "auto") or 'learning_rate = "' in config:
        errors.append({"key": "optimizer.learning_rate", "message": f"{rate!r} is no number and not auto"})
    if not errors:
        return None
    detail = f"{errors[0]['key']}: {errors[0]['message']}"
    return {"title": "Not possible", "status": 422, "detail": detail, "exit_code": 2, "errors": errors}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fake: Fake

    def log_message(self, *_: Any) -> None:
        """Be quiet."""

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_DELETE(self) -> None:
        self._answer("DELETE")

    def _answer(self, method: str) -> None:
        if self.fake.is_gone:
            self.close_connection = True
            return
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if method != "GET":
            assert self.headers["X-CSRF-Token"] == "a-token"
            self.fake.asked.append((method, parts.path, body))
        try:
            self._route(method, parts.path, parse_qs(parts.query), body)
        except BrokenPipeError:
            self.close_connection = True

    def _route(self, method: str, path: str, query: dict[str, list[str]], body: bytes) -> None:
        if path in ("/", "/index.html"):
            return self._file("index.html")
        if found := re.fullmatch(r"/static/([\w.]+)", path):
            return self._file(found[1])
        if path == "/api/v1/events":
            return self._stream(self.fake.follow(), "text/event-stream")
        if found := re.fullmatch(r"/api/v1/jobs/(\d+)(?:/(\w+))?(?:/[\w.]+)?", path):
            return self._job(method, int(found[1]), found[2])
        return self._json(*self._common(method, path.removeprefix("/api/v1/"), query, body))

    def _common(self, method: str, path: str, query: dict[str, list[str]], body: bytes) -> tuple[int, Any]:
        fake = self.fake
        if path == "session":
            return 200, {
                "csrf": "a-token", "version": "0.1.0", "directory": "/home/ada/runs", "data_directories": [],
                "cores": 8, "cores_free": 4, "memory_bytes": 16 << 30, "read_only": fake.read_only, "slurm": False,
            }  # fmt: skip
        if path == "jobs" and method == "GET":
            jobs = sorted(fake.jobs.values(), key=lambda job: -job["id"])
            start = int(query["offset"][0])
            return 200, {"jobs": jobs[start : start + int(query["limit"][0])], "total": len(jobs)}
        if path in ("jobs", "check"):
            asked = json.loads(body)
            if problem := _refusal(asked["config"], asked["overrides"]):
                return 422, problem
            if path == "check":
                return 200, {"understood": UNDERSTOOD, "resolved": asked["config"]}
            number = max(fake.jobs, default=0) + 1
            kept = {key: asked[key] for key in ("config", "overrides")}
            name = asked.get("name") or "digits"
            fake.jobs[number] = made_job(number, name, "queued", waits_for="its turn", **kept)
            fake.tell("job", fake.jobs[number])
            return 201, fake.jobs[number]
        if path == "config-schema":
            return 200, json_schema()
        if path == "data" and method == "GET":
            return 200, fake.data
        if path == "data":
            fake.data.append({"path": "uploads/table.h5", "bytes": 9000, "modified_utc": "2026-01-02T03:04:05Z"})
            return 201, {"path": "uploads/table.h5", "summary": "150 rows, 4 features; multiclass of 3 classes"}
        if path == "compare":
            jobs = [fake.jobs[int(one)] for one in query["ids"][0].split(",")]
            rates = {"key": "optimizer.learning_rate", "values": [round(0.001 * job["id"], 4) for job in jobs]}
            widths = {"key": "model.hidden", "values": [[64, 32 * job["id"]] for job in jobs]}
            metrics = {str(job["id"]): self._metrics(job["id"]) for job in jobs}
            return 200, {"jobs": jobs, "differs": [rates, widths], "metrics": metrics}
        return 404, {"title": "Not found", "status": 404, "detail": f"{path} is not here", "errors": []}

    def _metrics(self, number: int) -> dict[str, Any]:
        return {"columns": COLUMNS, "rows": [list(one.values()) for one in self.fake.rows.get(number, [])]}

    def _job(self, method: str, number: int, part: str | None) -> None:
        fake = self.fake
        if number not in fake.jobs:
            return self._json(404, {"title": "Not found", "status": 404, "detail": f"no job {number}", "errors": []})
        job = fake.jobs[number]
        if method == "DELETE":
            del fake.jobs[number]
            fake.tell("removed", {"id": number})
            return self._json(204, None)
        if part == "log":
            lines = [f"2026-01-02T03:04:{i:02d}Z epoch {i}: training loss {1 / (i + 1):.4f}\n" for i in range(20)]
            return self._stream(iter([line.encode() for line in lines]), "text/plain; charset=utf-8")
        if part == "predict" and self.headers["Accept"] == "text/csv":
            return self._send(200, "text/csv", b"row,answer\n0,3\n")
        if part in ("files", "export", "report"):
            named = {"Content-Disposition": f'attachment; filename="{part}"'}
            return self._send(200, "application/octet-stream", b"a file", named)
        return self._json(200, self._detail(job, part))

    def _detail(self, job: dict[str, Any], part: str | None) -> Any:
        number, fake = job["id"], self.fake
        if part == "stop":
            return fake.change(number, state="stopped" if job["state"] == "queued" else "stopping")
        if part == "resume":
            return fake.change(number, state="running", ended_utc=None)
        told = {"predict": ANSWERS, "ranks": RANKS, "health": HEALTH, "metrics": self._metrics(number)}
        if part:
            return told[part]
        return {
            **job, "config": job.get("config", CONFIG), "resolved": CONFIG, "overrides": job.get("overrides", {}),
            "arguments": [], "command": f"ddp-mlp launch -n 2 train {job['run_dir']}/config.toml",
            "understood": UNDERSTOOD, "log_tail": [],
        }  # fmt: skip

    def _file(self, name: str) -> None:
        places = (files("ddp_mlp.service") / "page", files("ddp_mlp.report") / "assets")
        found = next((place / name for place in places if (place / name).is_file()), None)
        if found is None:
            return self._json(404, {})
        return self._send(200, TYPES[name.rpartition(".")[2]], found.read_bytes())

    def _json(self, status: int, content: Any) -> None:
        kind = "application/json" if status < 400 else "application/problem+json"
        self._send(status, kind, b"" if content is None else json.dumps(content).encode())

    def _send(self, status: int, kind: str, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        always = {"Content-Type": kind, "Content-Length": str(len(content)), "Content-Security-Policy": POLICY}
        for name, value in {**always, "Cache-Control": "no-store", **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _stream(self, pieces: Iterator[bytes], kind: str) -> None:
        self.send_response(200)
        for name, value in {"Content-Type": kind, "Content-Security-Policy": POLICY, "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = True
        for piece in pieces:
            self.wfile.write(piece)
            self.wfile.flush()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Be quiet about connections that a browser has closed."""


@contextmanager
def fake_service(jobs: list[dict[str, Any]], *, read_only: bool = False) -> Iterator[Fake]:
    """Serve made-up jobs on a free port of this machine."""
    fake = Fake(jobs, read_only=read_only)
    handler = type("Handler", (_Handler,), {"fake": fake})
    server = _Server(("127.0.0.1", 0), handler)
    fake.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        fake.cut_off()
        server.shutdown()
        server.server_close()
        thread.join()
