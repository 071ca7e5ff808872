"""A search of scikit-learn over the grid of `benchmarks.study`.

python -m benchmarks.rivals.sklearn_grid DATA EPOCHS JOBS
"""

from __future__ import annotations

import json
import sys
import warnings

import h5py
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.neural_network import MLPClassifier

from benchmarks.study import GRID, HIDDEN


def main() -> None:
    """Search and print the accuracies of all trials on the rows that validate, after their last epoch."""
    data, epochs, jobs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    with h5py.File(data) as file:
        parts = [(file[f"{split}/features"][:], file[f"{split}/targets"][:]) for split in ("train", "valid")]
    x, y = (np.concatenate(pair) for pair in zip(*parts, strict=True))
    mean, spread = parts[0][0].mean(axis=0), parts[0][0].std(axis=0)
    x = ((x - mean) / np.where(spread > 0, spread, 1)).astype(np.float32)
    fold = np.repeat([-1, 0], [len(parts[0][0]), len(parts[1][0])])
    network = MLPClassifier(
        HIDDEN, solver="adam", alpha=0.0, max_iter=epochs, tol=0.0, n_iter_no_change=epochs + 1, shuffle=True
    )
    grid = {
        "learning_rate_init": GRID["optimizer.learning_rate"],
        "batch_size": GRID["train.global_batch_size"],
        "random_state": GRID["train.seed"],
    }
    warnings.simplefilter("ignore", ConvergenceWarning)
    search = GridSearchCV(network, grid, n_jobs=jobs, cv=PredefinedSplit(fold), refit=False)
    search.fit(x, y)
    print(json.dumps({"accuracies": search.cv_results_["mean_test_score"].tolist()}))


if __name__ == "__main__":
    main()
