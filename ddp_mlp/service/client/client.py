"""Asking a service, with patience: it may be started anew meanwhile."""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import msgspec

from ddp_mlp.errors import DdpMlpError, MissingInputError, error_from_code, shell_word
from ddp_mlp.service.client.finding import Server

_TIMEOUT_S = 60.0
#: Seconds that a service may be away.
PATIENCE_S = 120.0
_WAIT_S = 1.0
_GONE = (OSError, http.client.HTTPException)


class AwayError(MissingInputError):
    """A service that does not answer."""


class Client:
    """Asks one service.

    Parameters
    ----------
    find : callable
        Returns the service; asked again when it was away, since it may be elsewhere now.
    patience_s : float
        Seconds that it may be away.
    """

    def __init__(self, find: Callable[[], Server], patience_s: float = 0.0) -> None:
        self._find, self._patience_s = find, patience_s
        self.server = find()

    def ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        """Return the answer to a request, decoded; one that changes anything is sent again only if that is safe.

        Raises
        ------
        DdpMlpError
            As the service says.
        AwayError
            If it does not answer.
        """

        def once() -> Any:
            answer = self._answer(method, path, body, headers or {})
            with answer:
                content = answer.read()
                return msgspec.json.decode(content) if content else None

        return self._patiently(once)

    def lines_of(self, path: str, start: int = 0) -> Iterator[bytes]:
        """Yield a text as it grows, in pieces, over restarts of the service; a part that was had is not had again."""
        offset = start
        while True:
            asked = f"{path}&offset={offset}"
            try:
                with self._patiently(partial(self._answer, "GET", asked, None, {})) as answer:
                    while piece := answer.read1(2**16):
                        offset += len(piece)
                        yield piece
                    if not answer.isclosed() or answer.length:
                        raise http.client.IncompleteRead(b"")
                    return
            except _GONE as error:
                if not self._patience_s:
                    raise AwayError(self._away(error)) from None
                time.sleep(_WAIT_S)

    def _patiently(self, once: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + self._patience_s
        while True:
            try:
                return once()
            except _GONE as error:
                if time.monotonic() > deadline:
                    raise AwayError(self._away(error)) from None
            time.sleep(_WAIT_S)
            self._look_again()

    def _look_again(self) -> None:
        try:
            self.server = self._find()
        except DdpMlpError:  # between two lives of the service
            return

    def _away(self, error: Exception) -> str:
        start = f"; start it: ddp-mlp serve {shell_word(self.server.directory)}" if self.server.directory else ""
        return f"no service answers at {self.server.url} ({error}){start}"

    def _answer(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        """Return an answer whose end also ends its connection."""
        parts = urlsplit(self.server.url)
        connection = _connection(parts.scheme, parts.netloc, self.server.certificate)
        sent = {"Authorization": f"Bearer {self.server.token}", "Connection": "close", **headers}
        content = None if body is None else msgspec.json.encode(body)
        if content is not None:
            sent["Content-Type"] = "application/json"
        try:
            connection.request(method, parts.path + path, content, sent)
            answer = connection.getresponse()
            if answer.status >= 400:
                raise _error(answer.status, answer.read())
        except BaseException:
            connection.close()
            raise
        return answer


def _connection(scheme: str, host: str, certificate: str) -> http.client.HTTPConnection:
    if scheme == "http":
        return http.client.HTTPConnection(host, timeout=_TIMEOUT_S)
    context = ssl.create_default_context(cafile=certificate or None)
    return http.client.HTTPSConnection(host, timeout=_TIMEOUT_S, context=context)


def _error(status: int, content: bytes) -> Exception:
    """Return the error that an answer tells of."""
    if status in (429, 502, 503):  # full, or a proxy before a service that is away
        return OSError(f"busy (status {status})")
    try:
        told = msgspec.json.decode(content, type=dict[str, Any])
        return error_from_code(int(told["exit_code"]), str(told["detail"]))
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError):
        return error_from_code(2, f"the service answered with status {status}")
