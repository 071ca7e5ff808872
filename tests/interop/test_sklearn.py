"""Objects of scikit-learn: what a fitted one can do, and names."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.base import clone

from ddp_mlp.checkpoint.model import Model
from ddp_mlp.interop.check import own_answers, sample_rows
from ddp_mlp.interop.formats.sklearn import TRUSTED, image
from ddp_mlp.interop.portable import portable
from tests.interop.models import model


def loaded(trained: Model) -> Any:
    content = image(portable(trained), "m")
    assert set(skops.io.get_untrusted_types(data=content)) <= set(TRUSTED)
    return skops.io.loads(content, trusted=TRUSTED)


def test_a_classifier_knows_its_classes_in_the_order_of_their_names() -> None:
    for names, loss in (
        (("b", "c", "a"), ("cross_entropy", "multiclass")),
        (("y", "n"), ("binary_cross_entropy", "binary")),
    ):
        trained = model(("tanh",), loss, class_names=names)
        x = sample_rows(trained, 50)
        found, own = loaded(trained), own_answers(trained, x)
        assert found.classes_.tolist() == sorted(names)
        labels = own.argmax(axis=1) if own.shape[1] > 1 else (own[:, 0] > 0.5).astype(int)
        assert found.predict(x).tolist() == [names[i] for i in labels]
        assert found.score(x, np.array(names)[labels]) == 1.0


def test_a_regressor_of_one_target_answers_one_number_a_row_and_can_be_fitted_anew() -> None:
    trained = model(("relu", "relu"), scaled=True, filled=True, n_outputs=1)
    x = sample_rows(trained, 30)
    found = loaded(trained)
    assert np.allclose(found.predict(x), own_answers(trained, x)[:, 0], rtol=1e-12)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it does not converge in as many steps
        again = clone(found).set_params(regressor__mlp__max_iter=3).fit(x, np.arange(30.0))
    assert again.predict(x).shape == (30,)


def test_names_of_features_are_asked_for_as_they_are_there() -> None:
    trained = model((), feature_names=("a", "b", "c", "d"))
    found = loaded(trained)
    assert found.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        found.predict(np.zeros((2, 4)))
