"""Where a service answers, as it says in its folder."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ddp_mlp.plain_files import read_json


@dataclass(frozen=True)
class Address:
    """The address of a service.

    Attributes
    ----------
    certificate : str
        File of the certificate that clients may believe; empty without HTTPS.
    """

    url: str
    pid: int
    certificate: str = ""


def read_address(folder: Path) -> Address | None:
    """Return where the service of a folder answers; None if it says nothing."""
    with suppress(OSError):
        return read_json(folder / "service.json", Address)
    return None
