"""Steps in scikit-learn's `MLPClassifier`, one process.

python -m benchmarks.rivals.sklearn_steps S M

`fit` runs its own loop over shuffled batches, which validates its input once; `partial_fit` on
batches does it at every step and is slower, so `fit` is what counts. Time is taken between
the ends of its epochs, without what it does before the first. float32 data make it work in
float32. Its BLAS gets one thread or one for each core, and the faster one counts.
"""

from __future__ import annotations

import json
import os
import warnings
from functools import partial
from time import perf_counter

from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from benchmarks.rivals.timing import Runner, choose, options_of, rows
from benchmarks.works import N_ROWS, WORKS, Work


class _Epochs(MLPClassifier):
    """Takes the time at the end of each epoch, where the class looks at its loss."""

    def _update_no_improvement_count(self, *arguments: object) -> None:
        self.__dict__.setdefault("ended", []).append(perf_counter())
        super()._update_no_improvement_count(*arguments)


def make_classifier(work: Work, optimizer: str, epochs: int) -> _Epochs:
    """Return a classifier for a work that stops after so many epochs and for no other reason."""
    chosen = {"solver": "sgd", "momentum": 0.9, "nesterovs_momentum": False} if optimizer == "momentum" else {}
    return _Epochs(
        work.sizes[1:-1],
        alpha=0.0,
        batch_size=work.global_batch_size,
        learning_rate_init=1e-3,
        max_iter=epochs,
        n_iter_no_change=epochs + 1,
        random_state=0,
        **chosen,
    )


def make_runner(work: Work, optimizer: str, threads: int) -> Runner:
    """Return what runs whole epochs of a work with so many threads of BLAS."""
    features, labels, _ = rows(work)
    steps_per_epoch = -(-N_ROWS // work.global_batch_size)

    def run(n: int) -> float:
        epochs = -(-n // steps_per_epoch)
        classifier = make_classifier(work, optimizer, epochs + 1)
        with threadpool_limits(threads, user_api="blas"):
            classifier.fit(features, labels)
        return (classifier.ended[-1] - classifier.ended[0]) / epochs / steps_per_epoch

    return run


def main() -> None:
    """Print one JSON object: work -> figures."""
    options = options_of(__doc__)
    warnings.simplefilter("ignore")  # that it has not converged
    threads = sorted({1, os.cpu_count() or 1})
    result = {}
    for work in options.works:
        make = partial(make_runner, WORKS[work], options.optimizer)
        forms = {f"BLAS with {n} threads": partial(make, n) for n in threads}
        result[work] = choose(forms, options.forms.get(work, ""))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
