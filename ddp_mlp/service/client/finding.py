"""Finding a service: by what was said, by the environment, or by the files of a directory that is served."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from ddp_mlp.errors import MissingInputError, UsageError, literal, shell_word
from ddp_mlp.plain_files import read_whole
from ddp_mlp.service.address import read_address
from ddp_mlp.service.settings import FOLDER

SERVER, TOKEN = "DDP_MLP_SERVER", "DDP_MLP_SERVER_TOKEN"
_MOST_BYTES = 4096


@dataclass(frozen=True)
class Server:
    """A service and how to be let in.

    Attributes
    ----------
    certificate : str
        File of a certificate to believe; empty for those that the system believes.
    directory : Path or None
        That is served, if the service was found by it.
    """

    url: str
    token: str
    certificate: str = ""
    directory: Path | None = None


def find_server(given: str | None, environment: Mapping[str, str], here: Path) -> Server:
    """Return the service that is meant.

    Parameters
    ----------
    given : str or None
        A URL, with or without ``?token=``, or a directory that is served; None for that of the environment, or of this
        directory or one above it.

    Raises
    ------
    MissingInputError
        If there is none.
    UsageError
        If there is no token for it.
    """
    said = given or environment.get(SERVER)
    if said and "://" in said:
        return _of_url(said, environment, here)
    if said:
        if found := _of_directory(Path(said)):
            return found
        raise MissingInputError(f"{said}: no service answers there; start one: ddp-mlp serve {shell_word(said)}")
    for directory in (here, *here.parents):
        if found := _of_directory(directory):
            return found
    raise MissingInputError(
        f"no service serves {here} or a directory above it; start one with `ddp-mlp serve`, or name it with --server"
    )


def _of_url(said: str, environment: Mapping[str, str], here: Path) -> Server:
    parts = urlsplit(said)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise UsageError(f"--server {literal(said)}: write http://HOST:PORT, https://HOST:PORT or a directory")
    url = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
    token = parse_qs(parts.query).get("token", [""])[0] or environment.get(TOKEN, "")
    for directory in (here, *here.parents) if not token else ():
        found = _of_directory(directory)
        if found and found.url == url:
            return found
    if not token:
        raise UsageError(f"--server {url}: no token for it; set {TOKEN}, or give the whole link")
    return Server(url, token)


def _of_directory(directory: Path) -> Server | None:
    folder = directory / FOLDER
    address = read_address(folder)
    if address is None:
        return None
    with suppress(OSError, UnicodeDecodeError):
        token = read_whole(folder / "token", _MOST_BYTES).decode().strip()
        return Server(address.url, token, address.certificate, directory)
    return None
