"""``python -m ddp_mlp`` and the console script ``ddp-mlp``."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import sys
import warnings

from ddp_mlp.comm.lifeline import end_with_launcher


def main() -> None:
    """Run the command line."""
    end_with_launcher()  # first, since all that follows takes time
    with contextlib.suppress(OSError):  # where standard error is closed
        faulthandler.enable(2)  # a crash in compiled code shows where Python was
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy's would start a thread for each core when it is loaded
    if any("error" in option for option in sys.warnoptions):
        warnings.simplefilter("ignore")  # what libraries warn of is nothing that a user has done
    from ddp_mlp.cli.main import run

    run()


if __name__ == "__main__":
    main()
