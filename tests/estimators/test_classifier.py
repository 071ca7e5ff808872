"""The classifier beside scikit-learn's: the same answers where both end at one place, and errors of the same kinds."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sklearn
import sklearn.neural_network as theirs
from sklearn.base import clone
from sklearn.datasets import make_classification, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import ddp_mlp
from ddp_mlp import MLPClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def table(n: int = 150, n_classes: int = 3) -> tuple[Any, Any]:
    """Return rows of classes that are texts."""
    X, y = make_classification(n, 6, n_informative=4, n_classes=n_classes, random_state=3)
    return X, np.array(["one", "three", "two"])[y]


def fitted(**parameters: Any) -> MLPClassifier:
    return MLPClassifier(**{"hidden_layer_sizes": (8,), "max_iter": 5, "random_state": 0} | parameters).fit(*table())


@pytest.mark.parametrize(("activation", "n_classes"), [("tanh", 3), ("logistic", 2), ("identity", 3)])
def test_the_quasi_newton_solver_ends_where_theirs_does(activation: str, n_classes: int) -> None:
    X, y = table(60, n_classes)
    weights = np.linspace(0.5, 2, 60)
    chosen = {"solver": "lbfgs", "activation": activation, "random_state": 3, "max_iter": 40, "alpha": 0.1}
    ours, other = (kind(hidden_layer_sizes=(5,), **chosen) for kind in (MLPClassifier, theirs.MLPClassifier))
    assert np.allclose(ours.fit(X, y, weights).predict_proba(X), other.fit(X, y, weights).predict_proba(X), atol=1e-3)
    assert ours.loss_ == pytest.approx(other.loss_, rel=1e-4)
    assert ours.out_activation_ == other.out_activation_
    assert (ours.predict(X) == other.predict(X)).all()


def test_full_batches_take_the_steps_that_theirs_take() -> None:
    X, y = table()
    shared = {"batch_size": 150, "max_iter": 10, "random_state": 5, "learning_rate_init": 0.05}
    for solver in (
        {"solver": "adam", "epsilon": 1e-14},
        {"solver": "sgd", "nesterovs_momentum": False},
        {"solver": "sgd", "momentum": 0},
    ):
        chosen: dict[str, Any] = shared | solver
        ours, other = (kind(hidden_layer_sizes=(7, 4), **chosen) for kind in (MLPClassifier, theirs.MLPClassifier))
        ours.fit(X, y)
        other.fit(X, y)
        assert ours.loss_curve_ == pytest.approx(other.loss_curve_, rel=1e-6)
        assert all(np.allclose(a, b, atol=1e-5) for a, b in zip(ours.coefs_, other.coefs_, strict=True)), solver
        assert {name for name in vars(other).keys() - vars(ours).keys() if name[0] != "_"} == {
            "loss"
        }  # of theirs alone


def test_several_labels_are_learnt_at_once() -> None:
    X, Y = make_multilabel_classification(80, 5, n_classes=3, random_state=0)
    chosen = {"solver": "lbfgs", "random_state": 1, "max_iter": 30}
    ours, other = MLPClassifier((6,), **chosen).fit(X, Y), theirs.MLPClassifier((6,), **chosen).fit(X, Y)
    assert np.allclose(ours.predict_proba(X), other.predict_proba(X), atol=1e-3)
    assert (ours.predict(X) == other.predict(X)).all()
    again = pickle.loads(pickle.dumps(ours))  # noqa: S301 - its own
    assert (again.predict_proba(X) == ours.predict_proba(X)).all()
    for use in (lambda: ours.model_.save("m.h5"), lambda: ours.model_.evaluate(X, Y)):
        with pytest.raises(ddp_mlp.UsageError, match="several labels"):
            use()


def test_early_stopping_keeps_the_best_epoch() -> None:
    net = fitted(early_stopping=True, max_iter=40, learning_rate_init=0.05, n_iter_no_change=3)
    assert net.best_validation_score_ == max(net.validation_scores_)
    assert net.best_loss_ is None
    assert len(net.loss_curve_) == net.n_iter_
    assert clone(net).get_params() == net.get_params()


def test_steps_go_on_where_they_ended() -> None:
    X, y = table()
    net = MLPClassifier((8,), random_state=0)
    for rows in (slice(0, 50), slice(50, 100), slice(100, 150)):
        net.partial_fit(X[rows], y[rows], classes=["one", "three", "two"])
    assert len(net.loss_curve_) == 3
    assert net.t_ == 150
    again = pickle.loads(pickle.dumps(net)).partial_fit(X, y)  # noqa: S301
    assert all((a == b).all() for a, b in zip(again.coefs_, net.partial_fit(X, y).coefs_, strict=True))
    cold = clone(net).partial_fit(X, y, classes=np.unique(y))  # the first weights again
    assert cold.loss_curve_[0] > net.loss_curve_[-1]
    with pytest.raises(AttributeError, match="partial_fit"):
        MLPClassifier(solver="lbfgs").partial_fit  # noqa: B018


def test_it_is_part_of_a_pipeline_and_a_search() -> None:
    X, y = table()
    pipe = make_pipeline(StandardScaler(), MLPClassifier((6,), max_iter=15, learning_rate_init=0.05, random_state=0))
    search = GridSearchCV(pipe, {"mlpclassifier__alpha": [1e-4, 100.0]}, cv=2).fit(X, y)
    assert search.best_params_ == {"mlpclassifier__alpha": 1e-4}
    assert search.best_estimator_.predict(X[:2]).dtype == y.dtype


def test_weights_are_routed_as_metadata() -> None:
    X, y = table()
    weights = np.where(y == "one", 1.0, 0.0)
    with sklearn.config_context(enable_metadata_routing=True):
        net = MLPClassifier((6,), max_iter=60, learning_rate_init=0.05, random_state=0)
        net = net.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        scores = cross_validate(net, X, y, params={"sample_weight": weights}, cv=2)["test_score"]
    assert (scores == 1).all()  # of the rows that count all are of one class


def test_text_of_frames_becomes_categories() -> None:
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    colour = rng.choice(["red", "green", "blue"], 90)
    frame = pd.DataFrame({"colour": colour, "size": rng.normal(size=90)})
    y = np.where(colour == "red", "hot", "cold")
    net = MLPClassifier((6,), solver="lbfgs", random_state=0).fit(frame, y)
    assert net.score(frame, y) == 1
    assert net.feature_names_in_.tolist() == ["colour", "size"]
    assert net.n_features_in_ == 2
    assert net.coefs_[0].shape == (4, 6)
    assert net.model_.schema.classes == ("cold", "hot")
    bad: list[tuple[Any, str]] = [
        (frame[["colour"]], "Feature names seen at fit time, yet now missing"),
        (frame.assign(size=np.nan), "missing value"),
        (frame[["size", "colour"]], "must be in the same order"),
        (np.zeros((3, 2)), "DataFrame with text"),
    ]
    for rows, words in bad:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(ValueError, match=words):
                net.predict(rows)
    lacking = frame.assign(size=[None, *frame["size"][1:]])
    assert MLPClassifier((6,), solver="lbfgs", random_state=0, missing="impute").fit(lacking, y).score(lacking, y) == 1
    assert MLPClassifier((3,), early_stopping=True, max_iter=2).fit(frame, y).predict(frame).shape == (90,)


@pytest.mark.parametrize("how", [{}, {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.1}])
def test_a_warm_start_goes_on_with_patience_and_rows_as_scikit_learn_does(how: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 3))
    y = (x[:, 0] > 0).astype(int)
    found = []
    for kind in (MLPClassifier, theirs.MLPClassifier):
        net = kind((4,), random_state=0, warm_start=True, batch_size=100, n_iter_no_change=3, tol=1e-2, **how)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            found.append([(net.fit(x, y).n_iter_, net.t_, len(net.loss_curve_)) for _ in range(3)])
    assert found[0] == found[1]


def test_columns_called_by_numbers_stand_in_the_order_of_fit() -> None:
    frame = pytest.importorskip("pandas").DataFrame(np.random.default_rng(0).normal(size=(40, 3)))
    net = MLPClassifier((4,), max_iter=2).fit(frame, np.arange(40) % 2)
    assert net.predict(frame.to_numpy()).tolist() == net.predict(frame).tolist()
    renamed = frame.rename(columns={0: 7})  # as scikit-learn, by position
    assert net.predict(renamed).tolist() == net.predict(frame).tolist()
    for method in (net.predict, net.predict_proba, lambda x: net.partial_fit(x, np.arange(40) % 2)):
        with pytest.raises(ValueError, match="another order than in fit: 2, 0, 1 here, 0, 1, 2 there"):
            method(frame[[2, 0, 1]])


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_of_either_library_fit_the_same_bits(library: str) -> None:
    frames = pytest.importorskip(library)
    rng = np.random.default_rng(0)
    columns = {"colour": rng.choice(["red", "green"], 90).tolist(), "ok": (rng.random(90) > 0.5).tolist()}
    y = np.where(columns["ok"], "hot", "cold")
    settings = {"max_iter": 30, "solver": "lbfgs", "random_state": 0}
    net = MLPClassifier((4,), **settings).fit(frames.DataFrame(columns), y)
    table = np.column_stack([np.array(columns["colour"]) == c for c in ("green", "red")] + [columns["ok"]])
    alike = MLPClassifier((4,), **settings).fit(table.astype(np.float64), y)
    assert net.feature_names_in_.tolist() == ["colour", "ok"]
    assert net.coefs_[0].tobytes() == alike.coefs_[0].tobytes()
    with pytest.raises(ValueError, match="now missing"):
        net.predict(frames.DataFrame(columns)[["ok"]])


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda X, y: (X[:, 0], y), "Expected 2D array"),
        (lambda X, y: (np.where(X > 2, np.nan, X), y), "contains NaN"),
        (lambda X, y: (np.where(X > 2, np.inf, X), y), "infinity"),
        (lambda X, y: (X.astype(str) + "m", y), "numeric values"),
        (lambda X, y: (X, y[:-1]), "inconsistent numbers of samples"),
        (lambda X, y: (X, np.linspace(0, 1, len(X))), "Unknown label type"),
        (lambda X, y: (X, None), "requires y to be passed"),
        (lambda X, y: (X[:0], y[:0]), "0 sample"),
    ],
)
def test_rows_that_mean_nothing_are_value_errors_of_data(break_it: Callable[..., Any], words: str) -> None:
    with pytest.raises(ddp_mlp.DataError, match=words) as caught:
        MLPClassifier(max_iter=2).fit(*break_it(*table()))
    assert isinstance(caught.value, ValueError)


def test_misuse_is_named() -> None:
    X, y = table()
    with pytest.raises(NotFittedError, match="not fitted yet") as caught:
        MLPClassifier().predict(X)
    assert isinstance(caught.value, ddp_mlp.UsageError)
    with pytest.raises(ValueError, match=r"solver = 'rprop', but one of lbfgs, sgd, adam is needed; alpha = -1"):
        MLPClassifier(alpha=-1, solver="rprop").fit(X, y)
    with pytest.raises(ValueError, match="shuffle = False, but True"):
        MLPClassifier(shuffle=False).fit(X, y)
    with pytest.raises(ValueError, match="X has 5 features, but MLPClassifier is expecting 6"):
        fitted().predict(X[:, 1:])
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping"):
        MLPClassifier(early_stopping=True).partial_fit(X, y, classes=np.unique(y))
    with pytest.raises(ValueError, match="asked for"):
        fitted(warm_start=True).set_params(hidden_layer_sizes=(9,)).fit(X, y)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        MLPClassifier().partial_fit(X, y)
    with pytest.raises(ValueError, match="not all are among those known"):
        fitted().partial_fit(X, np.full(len(X), "four"))
    with pytest.raises(ddp_mlp.NonFiniteError) as diverged:
        MLPClassifier(solver="sgd", learning_rate_init=1e30, max_iter=9).fit(X, y)
    assert isinstance(diverged.value, ValueError)


def test_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(5\) reached"):
        fitted(verbose=True)
    assert capsys.readouterr().out.startswith("Iteration 1, loss = ")
    with pytest.warns(UserWarning, match="a batch takes all"):
        fitted(batch_size=1000)


def test_weights_below_0_are_refused_by_their_row():
    x, y = np.eye(4), [0, 1, 0, 1]
    for weights in ([1, 2, -0.5, 1], [-1, -1, -1, -1]):
        with pytest.raises(ValueError, match=r"sample_weight: -.* at row"):
            MLPClassifier().fit(x, y, sample_weight=weights)


def test_a_row_whose_outputs_are_no_numbers_has_no_class() -> None:
    far = np.tile([1.5e308, -1.5e308], 3)[None]
    with pytest.raises(ValueError, match="no class for 1 row"):
        fitted().predict(far)


@pytest.mark.parametrize("label", ["a", 7, True])
def test_the_one_class_of_all_rows_keeps_its_name(label: Any) -> None:
    x, y = table()[0], np.full(150, label)
    net = MLPClassifier((4,), solver="lbfgs", random_state=0).fit(x, y)
    assert net.score(x, y) == 1
    assert net.model_.classes.tolist() == [str(label), f"not {label}"]
    assert (net.model_.predict(x) == str(label)).mean() > 0.9
