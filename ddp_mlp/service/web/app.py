"""The application: its paths, and what surrounds them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from ddp_mlp.errors import DdpMlpError
from ddp_mlp.service.orders.importing import ImportRequest
from ddp_mlp.service.orders.submission import Request as Submission
from ddp_mlp.service.running.slurm import SlurmStarter
from ddp_mlp.service.running.starting import LocalStarter, Starter
from ddp_mlp.service.running.supervisor import Supervisor
from ddp_mlp.service.security.tokens import Keys, token_of
from ddp_mlp.service.service import Service
from ddp_mlp.service.settings import Settings
from ddp_mlp.service.store.store import Store
from ddp_mlp.service.web import about, comparison, jobs, results, tables
from ddp_mlp.service.web.bodies import Resume, Stop
from ddp_mlp.service.web.children import Children
from ddp_mlp.service.web.events import Hub
from ddp_mlp.service.web.gate import Gate
from ddp_mlp.service.web.problems import MediaTypeError, TooLargeError, TooSlowError, answer_to

#: Files that are received at once.
_UPLOADS = 4
PAGE = Path(str(resources.files("ddp_mlp.service").joinpath("page")))


async def _page(_request: Request) -> Response:
    return FileResponse(PAGE / "index.html", media_type="text/html; charset=utf-8")


def routes() -> list[Route | Mount]:
    """Return all paths."""
    job = "/api/v1/jobs/{id}"
    return [
        Route("/", _page),
        Route("/openapi.json", about.openapi),
        Route("/api/v1/session", about.session),
        Route("/api/v1/config-schema", about.config_schema),
        Route("/api/v1/events", about.events),
        Route("/api/v1/jobs", jobs.list_jobs, methods=["GET"]),
        Route("/api/v1/jobs", jobs.submit, methods=["POST"]),
        Route("/api/v1/check", jobs.check, methods=["POST"]),
        Route(job, jobs.show_job, methods=["GET"]),
        Route(job, jobs.remove, methods=["DELETE"]),
        Route(f"{job}/stop", jobs.stop, methods=["POST"]),
        Route(f"{job}/resume", jobs.resume, methods=["POST"]),
        Route(f"{job}/log", jobs.log),
        Route(f"{job}/metrics", jobs.metrics),
        Route(f"{job}/report", results.report),
        Route(f"{job}/files/{{name}}", results.file),
        Route(f"{job}/export", results.export),
        Route(f"{job}/health", results.health),
        Route(f"{job}/ranks", results.ranks),
        Route(f"{job}/predict", tables.predict, methods=["POST"]),
        Route("/api/v1/compare", comparison.compare),
        Route("/api/v1/data", tables.list_data, methods=["GET"]),
        Route("/api/v1/data", tables.import_table, methods=["POST"]),
        Mount("/static", StaticFiles(directory=PAGE, packages=[("ddp_mlp.report", "assets")])),  # one uPlot for both
    ]


def make_app(settings: Settings, tell: Callable[[str], None], starter: Starter | None = None) -> ASGIApp:
    """Return the application of a service; its jobs are looked after while it is up.

    Raises
    ------
    StorageError
        If the store or the token cannot be used.
    """
    settings.make_folders()
    _meet_types()
    keys = Keys(token_of(settings.folder / "token"))
    store = Store(settings.folder / "service.db")
    hub = Hub(store)
    store.listener = hub.on_change
    chosen = starter or (SlurmStarter(settings) if settings.slurm else LocalStarter(settings))
    supervisor = Supervisor(settings, store, chosen, hub.on_row, tell)

    @asynccontextmanager
    async def lifespan(_app: Any) -> AsyncIterator[None]:
        hub.open(asyncio.get_running_loop())
        supervisor.start()
        try:
            yield
        finally:
            hub.close()
            await asyncio.to_thread(supervisor.stop)
            store.close()

    app = Starlette(routes=routes(), lifespan=lifespan, exception_handlers={Exception: answer_to, **_handlers()})
    app.state.service, app.state.hub, app.state.keys = Service(settings, store, supervisor.wake), hub, keys
    app.state.children = Children(settings.directory, settings.uploads)
    app.state.uploads, app.state.naming = asyncio.Semaphore(_UPLOADS), asyncio.Lock()
    return Gate(app, settings, keys)


def _meet_types() -> None:
    """Let msgspec look at the types of bodies while there is one thread: where two do so at once, the process ends."""
    for kind in (Submission, Resume, Stop, ImportRequest):
        with suppress(msgspec.ValidationError):
            msgspec.json.decode(b"{}", type=kind)


def _handlers() -> dict[Any, Any]:
    kinds = (HTTPException, DdpMlpError, LookupError, msgspec.MsgspecError, UnicodeDecodeError, OSError)
    return dict.fromkeys((*kinds, MediaTypeError, TooLargeError, TooSlowError), answer_to)
