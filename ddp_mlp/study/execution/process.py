"""A process that runs trials for the one that started it: python -m ddp_mlp.study.execution.process DESCRIPTOR."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

from ddp_mlp.comm import SingleProcess
from ddp_mlp.config import load_config
from ddp_mlp.core.targets import pin
from ddp_mlp.errors import DdpMlpError
from ddp_mlp.run.signals import stop_signals_held
from ddp_mlp.study.execution.socket_line import SocketLine


def main() -> None:
    """Serve at the descriptor of a socket that the command line names."""
    serve(SocketLine(socket.socket(fileno=int(sys.argv[1]))))


def serve(line: SocketLine) -> None:
    """Run the trials of one study after the other, until the other end of the line says that there are no more."""
    with stop_signals_held():
        given = line.wait()
        if given is None:
            return
        try:
            pin(load_config(Path(given["config"]), given["overrides"]).train.isa)  # before LLVM and NumPy are loaded
        except DdpMlpError as error:
            line.send({"kind": "failed", "code": error.exit_code, "reason": str(error)})
            return
        from ddp_mlp.run.options import RunOptions
        from ddp_mlp.study.configurations import Configurations
        from ddp_mlp.study.execution.worker import work
        from ddp_mlp.study.sampler import Listed
        from ddp_mlp.study.study import Study

        comm = SingleProcess()
        while (given := line.wait()) and given["kind"] == "study":
            options = RunOptions(Path(given["directory"]), **given["options"])
            configure = Configurations(Path(given["config"]), tuple(given["overrides"]), comm)
            work(Study(Listed([]), configure, options, str, given["folds"], metric=given["metric"]), comm, line)


if __name__ == "__main__":
    main()
