"""scikit-learn's own checks of estimators."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from ddp_mlp import MLPClassifier, MLPRegressor

#: Few epochs, in which the tables of the checks are learnt all the same.
ESTIMATORS = [
    MLPClassifier(max_iter=100, learning_rate_init=0.01),
    MLPRegressor(max_iter=100, learning_rate_init=0.01),
]


# The checks fit what does not converge, and columns that they then warn of themselves.
@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(ESTIMATORS)  # none is expected to fail
def test_scikit_learn_checks_pass(estimator: Any, check: Any) -> None:
    check(estimator)
