"""The rules that end a fit or lower its rate."""

from __future__ import annotations

from ddp_mlp.estimators.rules import Watch


def test_a_loss_that_stays_ends_the_fit_after_more_epochs_than_are_borne() -> None:
    watch = Watch(0.1, 2, "constant", 1.0, 0.5)
    for loss in (3.0, 2.0, 1.95, 1.94):
        watch.after({"train_loss": loss}, 10)
        assert not watch.reason
    watch.after({"train_loss": 1.5, "penalty": 0.45}, 10)  # 1.95
    assert watch.reason.startswith("Training loss did not improve more than tol=0.1")
    assert (watch.best_loss, watch.n_samples) == (1.94, 50)


def test_a_score_says_which_epoch_is_the_best() -> None:
    watch = Watch(0.0, 10, "constant", 1.0, 0.5, "valid_accuracy")
    found = [watch.after({"train_loss": 1.0, "valid_accuracy": score}, 1) for score in (0.5, 0.5, 0.7, 0.6)]
    assert found == [True, False, True, False]


def test_rates_fall_by_the_samples_or_by_patience() -> None:
    by_samples = Watch(0.0, 1, "invscaling", 1.0, 0.5)
    by_samples.after({"train_loss": 1.0}, 99)
    assert by_samples.factor == 0.1
    adaptive = Watch(0.01, 1, "adaptive", 4e-5, 0.5)
    factors = []
    for _ in range(12):
        adaptive.after({"train_loss": 1.0}, 1)
        factors.append(adaptive.factor)
        if adaptive.reason:
            break
    assert sorted(set(factors)) == sorted([1.0, 0.2, 0.2 * 0.2, 0.2 * 0.2 * 0.2])
    assert adaptive.reason  # below the least rate it ends
