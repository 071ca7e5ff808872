"""Which trial is the best, and by what."""

from __future__ import annotations

import math

import pytest

from ddp_mlp.comm import is_agreed
from ddp_mlp.errors import DataError, NonFiniteError, UsageError
from ddp_mlp.study.ranking import all_failed, over_folds, ranked, ranking_metric, spread


def summary(name, loss=0.5, unit="mse", status="finished", **more):
    return {"name": name, "status": status, "loss_unit": unit, "best_valid_loss": loss, **more}


def failed(name, code=79):
    return {"name": name, "status": "failed", "exit_code": code, "reason": f"{name} is bad"}


def names(summaries, metric):
    return [each["name"] for each in ranked(summaries, metric)]


def test_losses_of_one_unit_rank_and_what_failed_or_is_no_number_does_not_win():
    trials = [failed("f"), summary("nan", math.nan), summary("b", 2.0), summary("inf", math.inf), summary("a", 1.0)]
    assert ranking_metric(trials) == "best_valid_loss"
    assert names(trials, "best_valid_loss") == ["a", "b", "nan", "inf", "f"]


def test_losses_of_two_units_do_not_rank():
    by_error = [
        summary("a", 0.1, "mse", best_valid_rmse=3.0),
        summary("b", 0.9, "mse in units of 2", best_valid_rmse=1.0),
    ]
    assert ranking_metric(by_error) == "best_valid_rmse"
    assert names(by_error, "best_valid_rmse") == ["b", "a"]
    by_accuracy = [
        summary("a", 0.1, "hinge", best_valid_accuracy=0.7),
        summary("b", 0.9, "binary_cross_entropy", best_valid_accuracy=0.8),
    ]
    assert ranking_metric(by_accuracy) == "best_valid_accuracy"
    assert names(by_accuracy, "best_valid_accuracy") == ["b", "a"]
    with pytest.raises(UsageError, match=r"cannot be ranked by loss.*--metric accuracy"):
        ranking_metric(by_accuracy, "loss")


def test_what_has_nothing_in_common_is_refused_on_all_ranks():
    trials = [summary("a", unit="mse", best_valid_rmse=1.0), summary("b", unit="hinge", best_valid_accuracy=1.0)]
    with pytest.raises(UsageError, match=r"cannot be ranked by loss: .* against") as caught:
        ranking_metric(trials)
    assert is_agreed(caught.value)
    training = [{"name": n, "status": "finished", "loss_unit": n, "best_train_loss": 1.0} for n in "ab"]
    with pytest.raises(UsageError, match="search for each"):
        ranking_metric(training)


def test_a_metric_on_request_must_be_there():
    trials = [
        summary("a", best_valid_rmse=1.0, best_valid_r2=0.5),
        summary("b", best_valid_rmse=2.0, best_valid_r2=0.9),
    ]
    assert names(trials, ranking_metric(trials, "r2")) == ["b", "a"]
    with pytest.raises(UsageError, match="--metric accuracy: a has no valid_accuracy; it has valid_loss, valid_rmse"):
        ranking_metric(trials, "accuracy")


def test_without_validation_the_training_loss_ranks():
    training = [
        {"name": n, "status": "finished", "loss_unit": "mse", "best_train_loss": x} for n, x in (("a", 2.0), ("b", 1.0))
    ]
    assert names(training, ranking_metric(training)) == ["b", "a"]


def test_a_study_of_which_all_failed_ends_as_its_first_run():
    assert all_failed([failed("a"), summary("b")], "trial") is None
    error = all_failed([failed("a"), failed("b", 65)], "trial")
    assert (type(error), str(error)) == (NonFiniteError, "all 2 trials failed; a: a is bad")
    assert is_agreed(error)
    assert type(all_failed([failed("a", 65)], "fold")) is DataError


def test_folds_make_a_trial_and_one_that_failed_makes_it_fail():
    folds = [summary("fold-0", 1.0), summary("fold-1", 3.0)]
    both = over_folds("t", folds)
    assert (both["status"], both["best_valid_loss"], both["best_valid_loss_std"]) == ("finished", 2.0, math.sqrt(2))
    bad = over_folds("t", [folds[0], failed("fold-1")])
    assert (bad["status"], bad["exit_code"], bad["reason"]) == ("failed", 79, "fold-1: fold-1 is bad")
    other = over_folds("u", [folds[0], summary("fold-1", 3.0, "hinge")])
    assert both["loss_unit"] != other["loss_unit"]


def test_the_spread_is_over_the_folds_that_are_done():
    figures = spread([summary("fold-0", 1.0), failed("fold-1"), summary("fold-2", 2.0)])["best_valid_loss"]
    assert figures == {"mean": 1.5, "std": math.sqrt(0.5), "standard_error": pytest.approx(0.5)}
    assert math.isnan(spread([failed("fold-0"), summary("fold-1", 2.0)])["best_valid_loss"]["std"])
