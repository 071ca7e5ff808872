"""Have all kernels compiled before anything else: once for each node, by one of its ranks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np

from ddp_mlp.comm import Communicator, agreed, known_to_all
from ddp_mlp.core.kernels.machine_code import are_ready, check_jit, load_kernels
from ddp_mlp.core.kernels.numba_ext.cache import PACKAGE, keep_code, packaged, read_code
from ddp_mlp.engine.compilers import N_FUNCTIONS, compile_apart
from ddp_mlp.errors import StoppedError

#: How often ranks tell each other that somebody is still compiling.
_POLL_S = 0.2
#: What ranks say in which that is so.
_COMPILING = "compiling"
#: LLVM needs more of a stack than threads have where `ulimit -s` says "unlimited".
_STACK_BYTES = 2**26


def ready_kernels(
    dtype: str,
    comm: Communicator,
    tell: Callable[[str], None],
    asked_by: Callable[[], str] = lambda: "",
    watch: Callable[[float], None] = lambda _share: None,
) -> None:
    """Collective. Load the compiled kernels, or compile them where that was never done.

    Afterwards nothing is compiled in this process: what kernels are not compiled for is a TypeError.

    Parameters
    ----------
    tell : callable
        Called on rank 0 with a line for the user if compiling will take a while.
    asked_by : callable
        Returns who has asked this rank to stop, nothing as long as nobody has. Compiling, which
        nobody can stop, is then not waited for: the process must end.
    watch : callable
        Called on rank 0, while it compiles, with the share that is done.

    Raises
    ------
    UsageError
        If Numba was told to compile nothing.
    StoppedError
        If any rank was asked to stop meanwhile.
    """
    comm.rank_status.at("while the kernels are compiled")
    with agreed(comm):
        check_jit()
    if all(comm.share_text("ready" if are_ready(dtype) else "")):  # ranks whose group has trained nothing yet are not
        return
    code = read_code(dtype) or b""
    if any(comm.share_text("" if code else "cold")):
        if comm.rank == 0:
            others = f"; those in {PACKAGE} do not fit" if any(packaged()) else ""
            tell(f"compiling kernels, first run only (about 10 s){others}")
        compiling = _Compiling(dtype) if comm.local_rank == 0 and not code else None
        _await(comm, compiling, asked_by, watch if comm.rank == 0 else lambda _share: None)
        code = _from_first_rank(comm, compiling.code() if compiling else code)
    load_kernels(dtype, code)


class _Compiling:
    """A thread that compiles, so that meanwhile its rank can say that it is alive."""

    def __init__(self, dtype: str) -> None:
        self._dtype = dtype
        self._code = b""
        self._heard = 0  # of about N_FUNCTIONS
        self._error: BaseException | None = None
        before = threading.stack_size(_STACK_BYTES)
        self._thread = threading.Thread(target=self._compile, name="compiler", daemon=True)
        self._thread.start()
        threading.stack_size(before)

    def _compile(self) -> None:
        try:
            self._code = compile_apart(self._dtype, self._hear)
            keep_code(self._dtype, self._code)
        except BaseException as error:  # raised where it is waited for
            self._error = error

    def _hear(self) -> None:
        self._heard += 1  # from two threads, one of which may be missed: a bar does not mind

    def share(self) -> float:
        """Return which share is done, about."""
        return min(self._heard / N_FUNCTIONS, 1.0)

    def goes_on(self) -> bool:
        """Wait for a moment, and tell whether it takes longer."""
        self._thread.join(_POLL_S)
        return self._thread.is_alive()

    def code(self) -> bytes:
        """Return the machine code, or raise the failure of the compiler."""
        if self._error:
            raise self._error
        return self._code


def _await(
    comm: Communicator,
    compiling: _Compiling | None,
    asked_by: Callable[[], str],
    watch: Callable[[float], None],
) -> None:
    """Collective. Return when no rank compiles any more.

    Each round is a collective of its own, so `timeout_s` limits how long a rank may be silent, not
    how long it compiles; and ranks that wait leave the cores to those that work.
    """
    while any(said := comm.share_text(asked_by() or (_COMPILING if compiling and compiling.goes_on() else ""))):
        if asked := [text for text in said if text not in ("", _COMPILING)]:
            reason = f"stopped by {asked[0]} while the kernels were compiled, before anything was begun"
            raise known_to_all(StoppedError(f"{reason}; go on with the same command"))
        if compiling is None:
            time.sleep(_POLL_S)
        else:
            watch(compiling.share())


def _from_first_rank(comm: Communicator, code: bytes) -> bytes:
    """Collective. Return the machine code that the first rank of each node has."""
    own = np.frombuffer(code, np.uint8)
    size = comm.node_shared(8).view(np.int64)
    if comm.local_rank == 0:
        size[0] = len(own)
    comm.node_barrier()
    memory = comm.node_shared(int(size[0]))  # written at once
    if comm.local_rank == 0:
        memory[:] = own
    comm.node_barrier()
    return code or memory.tobytes()
