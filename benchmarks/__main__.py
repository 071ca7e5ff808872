"""``python -m benchmarks COMMAND``: what the product costs, beside its peers and beside the limit.

Every command prints one table and saves it in ``benchmarks/results/``; `COMMAND --help` says more.
"""

from __future__ import annotations

import importlib
import sys

COMMANDS = {
    "steps": "step times of the product alone, beside the limit (also without a command: `benchmarks S M`)",
    "regress": "two commits in turns: which works changed by more than the noise",
    "peers": "step times beside PyTorch, JAX and scikit-learn, and the targets",
    "mnist": "whole processes from start to exit, to 97.5 % of the test images of MNIST",
    "startup": "seconds to --help and to the first step, with a warm and with a cold cache",
    "scaling": "ranks x threads x micro-batches, and where the time goes",
    "network": "two nodes with a slow network between them: the update shared out, layers that travel early",
    "plan": "what `ddp-mlp plan` predicts beside what is measured",
    "memory": "memory of the ranks beside the formula",
    "streaming": "rows that are streamed from their file beside rows that are all in memory",
    "inference": "one row and many rows of a trained model, beside ONNX Runtime, PyTorch and scikit-learn",
    "report": "what a report costs the run that it is written of, while that goes on",
    "service": "what the service costs a job on all cores: alone, beside a server, and beside one whose page is open",
    "tables": "tables that people have, with nothing but the name of the file, beside scikit-learn at its defaults",
    "study": "48 small networks in one study: two workers beside one, and scikit-learn's grid search",
    "agreement": "do the optimisers do what those of PyTorch of the same name do?",
}


def main() -> None:
    """Hand over to the module of the command that was asked for."""
    arguments = sys.argv[1:]
    if arguments[:1] in (["-h"], ["--help"]):
        print(__doc__)
        print("\n".join(f"  {name:<10} {text}" for name, text in COMMANDS.items()))
        return
    name = arguments.pop(0) if arguments[:1] and arguments[0] in COMMANDS else "steps"
    importlib.import_module(f"benchmarks.{name}").main(arguments)


if __name__ == "__main__":
    main()
