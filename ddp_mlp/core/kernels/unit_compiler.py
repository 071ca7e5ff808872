"""``python -m ddp_mlp.core.kernels.unit_compiler DTYPE UNIT...``: a process that compiles some kernels for another.

It prints a line for each function that is compiled, so that the other can tell how far it is; then what it was
compiled for, the name of the file that code is kept in, and the machine code. It ends with the process that started it.
"""

from __future__ import annotations

import gc
import itertools
import os
import signal
import sys
import threading
from typing import BinaryIO

from numba.core import event
from numba.core.bytecode import FunctionIdentity

from ddp_mlp.catalog.dtypes import DTYPES
from ddp_mlp.core.kernels.compiling import UNITS, compile_kernels
from ddp_mlp.core.kernels.machine_code import CODE, PART
from ddp_mlp.core.kernels.numba_ext.cache import file_name

#: More than Numba numbers functions in one process.
_FUNCTIONS = 1_000_000


class _Parts(event.Listener):
    """Prints a line for each function."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    def on_start(self, _event: event.Event) -> None:
        """Stay silent."""

    def on_end(self, _event: event.Event) -> None:
        """Print a line."""
        self._out.write(PART + b"\n")
        self._out.flush()


def _leave_with_the_other() -> None:
    """End this process when the other has, whose end of the pipe is then closed."""
    while os.read(0, 1):  # of `sys.stdin` it would hold a lock, without which Python cannot end
        pass
    os._exit(1)


def _number_from(dtype: str, unit: str) -> None:
    """Let Numba number functions as no other process does whose code is loaded beside: numbers are part of their names.

    Code is linked by names, and two functions of one name would be taken for each other.
    """
    place = list(UNITS).index(unit) * len(DTYPES) + list(DTYPES).index(dtype)
    FunctionIdentity._unique_ids = itertools.count(_FUNCTIONS * (1 + place))


def main(dtype: str, *units: str) -> None:
    """Compile `units` for training in `dtype`, and print their machine code."""
    gc.disable()  # garbage is a small part of what compiling needs, and looking for it a tenth of its time
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to the other process too
    threading.Thread(target=_leave_with_the_other, daemon=True).start()
    out = sys.stdout.buffer
    _number_from(dtype, units[0])
    with event.install_listener("numba:compile", _Parts(out)):
        code = compile_kernels(dtype, units)
    out.write(CODE + f" {file_name(dtype)} {len(code)}\n".encode() + code)
    out.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
