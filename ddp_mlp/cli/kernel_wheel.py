"""A wheel of compiled kernels, for images and sites: who installs it compiles nothing on the CPUs that it was made for.

It holds files of the cache as they are, each under the name of everything that it depends on, and
with its own hash. So one that does not fit is never looked at, and one that was changed is not used.
"""

from __future__ import annotations

import base64
import hashlib
import io
import sys
import sysconfig
import zipfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from ddp_mlp.core.kernels.numba_ext.cache import PACKAGE
from ddp_mlp.durable import write_whole
from ddp_mlp.errors import OutputError

_INIT = '"""Compiled kernels of ddp_mlp: made by ``ddp-mlp compile --wheel``, used where they fit."""\n'

#: All files are of one time, so that the same kernels make the same wheel.
_TIME = (1980, 1, 1, 0, 0, 0)


def write_wheel(directory: Path, kernels: Sequence[Path]) -> Path:
    """Write files of the cache into the wheel of this version in `directory`; those that are in it stay.

    Raises
    ------
    OutputError
        If there is another file under its name.
    """
    python, platform = f"cp{sys.version_info.major}{sys.version_info.minor}", sysconfig.get_platform()
    tag = f"{python}-none-{platform.replace('-', '_').replace('.', '_')}"
    path = directory / f"{PACKAGE}-{version('ddp-mlp')}-{tag}.whl"
    held = {**_kernels_in(path), **{f"{PACKAGE}/{kernel.name}": kernel.read_bytes() for kernel in kernels}}
    files = {f"{PACKAGE}/__init__.py": _INIT.encode(), **dict(sorted(held.items()))}
    about = f"{PACKAGE}-{version('ddp-mlp')}.dist-info"
    files[f"{about}/METADATA"] = _metadata().encode()
    files[f"{about}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: ddp-mlp\nRoot-Is-Purelib: false\nTag: {tag}\n".encode()
    files[f"{about}/RECORD"] = _record(files, f"{about}/RECORD").encode()
    directory.mkdir(parents=True, exist_ok=True)
    write_whole(path, _zipped(files))
    return path


def _kernels_in(path: Path) -> dict[str, bytes]:
    """Return the kernels of a wheel that may be there."""
    if not path.exists():
        return {}
    try:
        with zipfile.ZipFile(path) as wheel:
            names = [name for name in wheel.namelist() if name.startswith(f"{PACKAGE}/kernels-")]
            return {name: wheel.read(name) for name in names}
    except (OSError, zipfile.BadZipFile) as error:
        raise OutputError(f"{path} is no wheel that kernels could be added to ({error}); remove it") from None


def _metadata() -> str:
    needed = "".join(f"Requires-Dist: {name}=={version(name)}\n" for name in ("ddp-mlp", "numba", "llvmlite", "numpy"))
    return (
        f"Metadata-Version: 2.1\nName: {PACKAGE.replace('_', '-')}\nVersion: {version('ddp-mlp')}\n"
        "Summary: Compiled kernels of ddp-mlp\n"
        f"Requires-Python: =={sys.version_info.major}.{sys.version_info.minor}.*\n{needed}"
    )


def _record(files: Mapping[str, bytes], own: str) -> str:
    lines = []
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(content)}\n")
    return "".join([*lines, f"{own},,\n"])


def _zipped(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _TIME)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o100644 << 16
            wheel.writestr(entry, content)
    return out.getvalue()
