"""The token of a service, and the sessions and forms that are derived from it: nothing of them is kept."""

from __future__ import annotations

import hmac
import os
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from ddp_mlp.errors import StorageError
from ddp_mlp.plain_files import open_own, read_whole

_MOST_BYTES = 4096
#: Wrong tokens in a row that an address may offer before it has to wait, and how long at most.
_FREE_TRIES, _LONGEST_S = 10, 30.0
_MOST_ADDRESSES = 10_000


def token_of(path: Path) -> str:
    """Return the token in a file that its user alone may read; make one where there is none.

    Raises
    ------
    StorageError
        If it cannot be read or made, or others could read it.
    """
    try:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except FileExistsError:
            return _read(path)
        with os.fdopen(descriptor, "w") as file:
            token = secrets.token_urlsafe(32)
            file.write(token + "\n")
            file.flush()
            os.fsync(file.fileno())
        return token
    except OSError as error:
        raise StorageError(f"{path}: cannot be used as the token of a service: {error.strerror}") from None


def _read(path: Path) -> str:
    descriptor = open_own(path, os.O_RDONLY)
    try:
        if os.fstat(descriptor).st_mode & 0o077:
            raise StorageError(f"{path}: other users may read it; remove it, and the service makes another one")
    finally:
        os.close(descriptor)
    token = read_whole(path, _MOST_BYTES).decode(errors="replace").strip()
    if len(token) < 32 or not token.isascii():
        raise StorageError(f"{path}: holds no token; remove it, and the service makes another one")
    return token


class Keys:
    """The secrets of a service: compared in constant time, and never shown."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    def is_token(self, offered: str) -> bool:
        """Tell whether a text is the token."""
        return hmac.compare_digest(sha256(offered.encode(errors="replace")).digest(), sha256(self._token).digest())

    def new_session(self) -> str:
        """Return the value of a session's cookie."""
        nonce = secrets.token_urlsafe(18)
        return f"{nonce}.{self._mark('session', nonce)}"

    def is_session(self, cookie: str) -> bool:
        """Tell whether a cookie was given out by this service."""
        nonce, _, mark = cookie.partition(".")
        return hmac.compare_digest(mark.encode(errors="replace"), self._mark("session", nonce).encode())

    def csrf_of(self, cookie: str) -> str:
        """Return the text that a form of a session has to send along."""
        return self._mark("form", cookie)

    def is_csrf(self, offered: str, cookie: str) -> bool:
        """Tell whether a form was made for the session that sends it."""
        return hmac.compare_digest(offered.encode(errors="replace"), self.csrf_of(cookie).encode())

    def cookie_name(self) -> str:
        """Return the name of the cookie; cookies of one machine know no ports, so services need names of their own."""
        return f"ddp-mlp-{self._mark('name', '')[:12]}"

    def _mark(self, use: str, text: str) -> str:
        return hmac.new(self._token, f"{use}:{text}".encode(errors="replace"), sha256).hexdigest()


@dataclass
class Tries:
    """Wrong tokens by address: after some in a row, further wrong ones of that address have to wait."""

    wrong: OrderedDict[str, tuple[int, float]] = field(default_factory=OrderedDict)

    def wait_s(self, address: str) -> float:
        """Return the seconds for which an address has to wait."""
        return max(self.wrong.get(address, (0, 0.0))[1] - time.monotonic(), 0.0)

    def note(self, address: str, *, is_right: bool) -> None:
        """Note how a token turned out."""
        if is_right:
            self.wrong.pop(address, None)
            return
        count = self.wrong.pop(address, (0, 0.0))[0] + 1
        wait_s = min(2.0 ** min(count - _FREE_TRIES, 10), _LONGEST_S) if count >= _FREE_TRIES else 0.0
        self.wrong[address] = (count, time.monotonic() + wait_s)
        while len(self.wrong) > _MOST_ADDRESSES:
            self.wrong.popitem(last=False)
