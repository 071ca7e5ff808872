"""The server: one for each directory, with its address in a file that clients of the same user find."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import msgspec
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ddp_mlp.durable import remove, write_whole
from ddp_mlp.errors import OutputError, UsageError
from ddp_mlp.plain_files import open_own
from ddp_mlp.service.address import Address, read_address
from ddp_mlp.service.security.hosts import is_loopback
from ddp_mlp.service.security.tokens import token_of
from ddp_mlp.service.settings import Settings
from ddp_mlp.service.web.app import make_app

#: Seconds until a connection has to have sent a request, and until what was sent to it has to be taken.
_FIRST_S, _TAKEN_S = 20.0, 60.0
_MOST_CONNECTIONS, _MOST_HEADER_BYTES = 512, 2**15


class PatientProtocol(H11Protocol):
    """HTTP whose clients have to send a request soon, and to take the answer."""

    def connection_made(self, transport: Any) -> None:
        """Let the connection go that sends nothing, and have the system cut off one that takes nothing."""
        H11Protocol.connection_made(self, transport)
        connection = transport.get_extra_info("socket")
        with suppress(OSError, AttributeError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(_TAKEN_S * 1000))
        self.loop.call_later(_FIRST_S, self._let_go)

    def _let_go(self) -> None:
        if getattr(self, "cycle", None) is None and not self.transport.is_closing():
            self.transport.close()


def serve(settings: Settings, tell: Callable[[str], None], *, show_link: Callable[[str], None]) -> None:
    """Serve until asked to stop; jobs live on.

    Raises
    ------
    UsageError
        If another server has the directory, or the certificate does not do.
    OutputError
        If the address cannot be had.
    """
    settings.make_folders()
    with _alone(settings), _listening(settings) as listening:
        _clear_uploads(settings)
        tempfile.tempdir = str(settings.uploads)  # where parts of forms wait
        port = listening.getsockname()[1]
        scheme = "https" if settings.certificate else "http"
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        url = f"{scheme}://{host}:{port}"
        app = make_app(settings, tell)
        token = token_of(settings.folder / "token")
        server = uvicorn.Server(_config(app, settings))
        file = settings.folder / "service.json"
        write_whole(file, msgspec.json.encode(Address(url, os.getpid(), str(settings.certificate or ""))))
        if not is_loopback(settings.host):
            encrypted = (
                "" if settings.certificate else " and nothing is encrypted: --certificate, or a proxy, does that"
            )
            tell(f"warning: {settings.host} is reached from other machines; whoever has the token has all{encrypted}")
        show_link(f"{url}/?token={token}")
        try:
            asyncio.run(_until_asked(server, listening))
        finally:
            with suppress(OSError):
                remove(file)


def _clear_uploads(settings: Settings) -> None:
    """Remove files that were sent to a server that was killed."""
    for path in settings.uploads.iterdir():
        with suppress(OSError):
            remove(path)


async def _until_asked(server: uvicorn.Server, listening: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, lambda: setattr(server, "should_exit", True))
    await server._serve([listening])  # its own handlers of signals would raise them again


def _config(app: Any, settings: Settings) -> uvicorn.Config:
    try:
        config = uvicorn.Config(
            app, http=PatientProtocol, ws="none", log_config=None, access_log=False, server_header=False,
            date_header=True, proxy_headers=False, timeout_keep_alive=30, timeout_graceful_shutdown=3,
            limit_concurrency=_MOST_CONNECTIONS, h11_max_incomplete_event_size=_MOST_HEADER_BYTES, lifespan="on",
            ssl_certfile=settings.certificate, ssl_keyfile=settings.key,
        )  # fmt: skip
        config.load()
    except OSError as error:
        raise UsageError(f"--certificate {settings.certificate}: cannot be used: {error}") from None
    return config


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Hold the lock of the service's folder, which dies with this process."""
    try:
        descriptor = open_own(settings.folder / "server.lock", os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise OutputError(f"{settings.folder}: cannot be used: {error.strerror}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        other = read_address(settings.folder)
        where = f" at {other.url} (pid {other.pid})" if other else ""
        raise UsageError(f"{settings.directory} is served already{where}; one server a directory") from None
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    try:
        family = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.create_server((settings.host, settings.port), family=family, backlog=256)
    except OSError as error:
        raise OutputError(
            f"cannot listen at {settings.host}, port {settings.port}: {error.strerror}; choose another with --port"
        ) from None
    with listening:
        yield listening
