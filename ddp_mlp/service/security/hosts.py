"""Whom a request was meant for: names that lead here from elsewhere are refused, and forms of other pages."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import urlsplit

_HOST = re.compile(r"(\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9.-]{1,253})(?::([0-9]{1,5}))?")


def known_hosts(host: str, more: Sequence[str]) -> frozenset[str]:
    """Return the names by which a service may be asked for, beside addresses of numbers."""
    names = {"localhost", host.lower(), *(name.lower() for name in more)}
    if not is_loopback(host):
        names |= {socket.gethostname().lower(), socket.getfqdn().lower()}
    return frozenset(names)


def is_loopback(host: str) -> bool:
    """Tell whether an address is reached from this machine alone."""
    with suppress(ValueError):
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    return host.lower() == "localhost"


def is_known_host(header: str, names: frozenset[str]) -> bool:
    """Tell whether a Host header names this service.

    A page of a stranger can have its own name lead to this machine, but no number.

    Examples
    --------
    >>> names = known_hosts("127.0.0.1", ())
    >>> [is_known_host(header, names) for header in ("127.0.0.1:8765", "LOCALHOST", "evil.test", "[::1]:1", "a@b", "")]
    [True, True, False, True, False, False]
    """
    found = _HOST.fullmatch(header)
    if not found:
        return False
    with suppress(ValueError):
        ipaddress.ip_address(found[1].strip("[]"))
        return True
    return found[1].lower() in names


def is_own_origin(origin: str, host: str) -> bool:
    """Tell whether an Origin header is that of a page of the service itself, which was asked for as `host`.

    Examples
    --------
    >>> is_own_origin("http://127.0.0.1:8765", "127.0.0.1:8765"), is_own_origin("null", "127.0.0.1:8765")
    (True, False)
    """
    with suppress(ValueError):
        parts = urlsplit(origin)
        return parts.scheme in ("http", "https") and bool(parts.netloc) and parts.netloc.lower() == host.lower()
    return False
