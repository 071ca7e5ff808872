"""``python -m ddp_mlp`` and the console script ``ddp-mlp``."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator

#: Commands that save and leave where they are asked to. They keep a request that comes before they can hear it.
_SAVES_WHEN_ASKED = ("train", "search", "cross-validate")


def main() -> None:
    """Run the command line."""
    if sys.argv[1:2] and sys.argv[1] in _SAVES_WHEN_ASKED:
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGUSR1, signal.SIGTERM))
    with _silent_interrupt():
        run = _ready()
    run()


def _ready() -> Callable[[], None]:
    """Prepare this process, and return the command line, whose imports take time."""
    from ddp_mlp.comm.liveness.lifeline import end_with_launcher

    end_with_launcher()  # first, since all that follows takes time
    with contextlib.suppress(OSError):  # where standard error is closed
        faulthandler.enable(2)  # a crash in compiled code shows where Python was
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy's would start a thread for each core when it is loaded
    if any("error" in option for option in sys.warnoptions):
        warnings.simplefilter("ignore")  # what libraries warn of is nothing that a user has done
    from ddp_mlp.cli.main import run

    return run


@contextlib.contextmanager
def _silent_interrupt() -> Iterator[None]:
    """Let a Ctrl-C end this process without a traceback."""
    is_usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_usual:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    yield
    if is_usual:
        signal.signal(signal.SIGINT, signal.default_int_handler)


if __name__ == "__main__":
    main()
