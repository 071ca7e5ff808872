"""The gate that every request passes: for this host, by who has the token, not too large, not too slow."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qs, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ddp_mlp.service.security.hosts import is_known_host, is_own_origin, known_hosts
from ddp_mlp.service.security.tokens import Keys, Tries
from ddp_mlp.service.settings import Settings
from ddp_mlp.service.web.problems import TooLargeError, TooSlowError, problem

_SAFE = ("GET", "HEAD")
_METHODS = (*_SAFE, "POST", "DELETE")
MOST_JSON_BYTES = 2 * 2**20
#: Seconds for the whole of a small body, and of a file.
_JSON_S, _FILE_S = 30.0, 1800.0
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}
_WHO_IS_IT = "a token is needed: open the link that `ddp-mlp serve` printed, or send Authorization: Bearer TOKEN"

_LOCKED = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>ddp-mlp</title>
</head><body><main><h1>This page is locked</h1>
<p>Open the link that <code>ddp-mlp serve</code> printed; it holds the token. After many wrong ones, wait a moment.</p>
</main></body></html>
"""


class Gate:
    """An ASGI application before another one."""

    def __init__(self, app: ASGIApp, settings: Settings, keys: Keys) -> None:
        self._app, self._settings, self._keys = app, settings, keys
        self._tries = Tries()
        self._hosts = known_hosts(settings.host, settings.hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        send = _with_headers(send)
        refusal = self._refusal(scope)
        if refusal is not None:
            if refusal.status_code in (401, 429) and scope["path"] == "/" and _is_browser(scope):
                refusal = Response(_LOCKED, refusal.status_code, media_type="text/html; charset=utf-8")
            await refusal(scope, receive, send)
            return
        await self._app(scope, self._bounded(scope, receive), send)

    def _refusal(self, scope: Scope) -> Response | None:
        """Return the answer to a request that does not pass; None for one that does."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not is_known_host(host, self._hosts) or len(headers.getlist("host")) != 1:
            return problem(403, "this service is not known by that host name; see --allow-host")
        if scope["method"] not in _METHODS:
            return problem(405, "GET, HEAD, POST and DELETE are known here", headers={"Allow": ", ".join(_METHODS)})
        if refusal := self._of_another_page(scope, headers, host):
            return refusal
        if b"token=" in scope["query_string"] and scope["path"] == "/":
            return self._first_visit(scope)
        return self._without_right(scope, headers) or self._too_much(scope, headers)

    def _of_another_page(self, scope: Scope, headers: Headers, host: str) -> Response | None:
        """Refuse requests that the page of a stranger sends through the browser of a user."""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        is_foreign = origin is not None and not is_own_origin(origin, host)
        is_read = scope["method"] in _SAFE and not scope["path"].startswith("/api/")
        if is_foreign or (site not in ("same-origin", "none") and not is_read):
            return problem(403, "requests from pages of other sites are refused")
        return None

    def _first_visit(self, scope: Scope) -> Response:
        """Turn the token of a link into a cookie, and take it out of the address."""
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if refusal := self._wrong(scope, query.pop("token", [""])[0]):
            return refusal
        rest = urlencode(query, doseq=True)
        answer = RedirectResponse("/" + (f"?{rest}" if rest else ""), 303)
        answer.set_cookie(
            self._keys.cookie_name(), self._keys.new_session(), httponly=True, samesite="strict", path="/",
            secure=scope.get("scheme") == "https", max_age=30 * 86400,
        )  # fmt: skip
        return answer

    def _wrong(self, scope: Scope, offered: str) -> Response | None:
        address = (scope.get("client") or ("",))[0]
        is_right = self._keys.is_token(offered)
        # The right one never waits: behind a proxy, and on a machine of many users, others have the same address.
        if not is_right and (wait_s := self._tries.wait_s(address)):
            return problem(
                429, "too many wrong tokens from this address; wait a moment",
                headers={"Retry-After": str(int(wait_s) + 1)},
            )  # fmt: skip
        self._tries.note(address, is_right=is_right)
        return None if is_right else problem(401, _WHO_IS_IT, headers={"WWW-Authenticate": "Bearer"})

    def _without_right(self, scope: Scope, headers: Headers) -> Response | None:
        scheme, _, offered = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            scope["session"] = ""
            return self._wrong(scope, offered.strip())
        cookie = cookie_parser(headers.get("cookie", "")).get(self._keys.cookie_name(), "")
        if not self._keys.is_session(cookie):
            return problem(401, _WHO_IS_IT, headers={"WWW-Authenticate": "Bearer"})
        scope["session"] = cookie
        if scope["method"] not in _SAFE and not self._keys.is_csrf(headers.get("x-csrf-token", ""), cookie):
            return problem(403, "the header X-CSRF-Token does not fit this session; load the page again")
        return None

    def _too_much(self, scope: Scope, headers: Headers) -> Response | None:
        if self._settings.read_only and scope["method"] not in _SAFE and not scope["path"].endswith("/check"):
            return problem(403, "this service was started with --read-only")
        length = headers.get("content-length", "0")
        most = self._most_bytes(scope)
        if not length.isdigit() or int(length[:20]) > most:
            return problem(413, f"the body may have {most} bytes")
        return None

    def _most_bytes(self, scope: Scope) -> int:
        return self._settings.most_upload_bytes + 2**16 if takes_files(scope["path"]) else MOST_JSON_BYTES

    def _bounded(self, scope: Scope, receive: Receive) -> Receive:
        """Return a receiver of the body that ends at a size and a time."""
        left = self._most_bytes(scope)
        deadline = asyncio.get_running_loop().time() + (_FILE_S if takes_files(scope["path"]) else _JSON_S)
        is_whole = False

        async def bounded() -> Message:
            nonlocal left, is_whole
            if is_whole:  # only the end of the connection is waited for
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise TooSlowError from None
            left -= len(message.get("body", b""))
            if left < 0:
                raise TooLargeError
            is_whole = not message.get("more_body", False)
            return message

        return bounded


def takes_files(path: str) -> bool:
    """Tell whether a path takes files that are sent."""
    return path == "/api/v1/data" or (path.startswith("/api/v1/jobs/") and path.endswith("/predict"))


def _is_browser(scope: Scope) -> bool:
    return "text/html" in Headers(scope=scope).get("accept", "")


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.setdefault("Content-Security-Policy", _POLICY)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending
