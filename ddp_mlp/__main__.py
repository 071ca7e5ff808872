"""``python -m ddp_mlp`` and the console script ``ddp-mlp``."""

from __future__ import annotations

import faulthandler
import os


def main() -> None:
    """Run the command line.

    BLAS reads its environment when it is loaded, so it is told here, before anything else,
    that each rank does its own parallel work: threads of BLAS would fight over the cores.
    """
    faulthandler.enable()  # a crash in compiled code shows where Python was
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    from ddp_mlp.cli.main import run

    run()


if __name__ == "__main__":
    main()
