"""Values that "auto" becomes when a configuration is read, and the defaults of earlier versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from ddp_mlp.catalog.optimizers import OPTIMIZERS
from ddp_mlp.checkpoint.resuming import kept_text, kept_values, with_values
from ddp_mlp.config import load_config
from ddp_mlp.config.defaults import EARLIER_DEFAULTS
from ddp_mlp.core.schedules import patience_of

PAGE = Path(__file__).parents[2] / "docs" / "optimizers.md"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text('[data]\ntrain = "train.h5"\n')
    return path


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_rate_is_that_of_the_optimiser_and_a_schedule_follows_it(file, name):
    more = ["train.global_batch_size=full"] if OPTIMIZERS[name].searches_line else []
    rules = [f"optimizer.name={name}", "optimizer.learning_rate=auto", "schedule.name=linear", *more]
    config = load_config(file, rules, {})
    assert config.optimizer.learning_rate == config.optimizer.first_rate == OPTIMIZERS[name].rate
    assert config.schedule.final_rate == pytest.approx(OPTIMIZERS[name].rate / 100)


def test_the_page_of_the_optimisers_has_their_rates():
    rows = [line.split("|") for line in PAGE.read_text().replace("\\|", "/").splitlines() if line.startswith("| `")]
    rates = {row[1].strip(" `"): row[3].strip() for row in rows if len(row) == 7}
    assert rates.pop("name")
    assert rates == {name: f"{entry.rate:g}" for name, entry in OPTIMIZERS.items()}


@pytest.mark.parametrize(("schedule", "patience"), [("constant", 20), ("plateau", 20), ("linear", 0), ("cosine", 0)])
def test_a_schedule_that_ends_is_not_stopped_early(file, schedule, patience):
    rules = [f"schedule.name={schedule}"]
    config = load_config(file, ["train.early_stopping_patience=auto", *rules], {})
    assert config.train.early_stopping_patience == patience_of(config) == patience
    assert patience_of(load_config(file, ["train.early_stopping_patience=7", *rules], {})) == 7


def test_a_run_of_an_earlier_version_keeps_the_defaults_that_nobody_has_set(file, monkeypatch):
    earlier = {"optimizer": {"name": "sgd", "learning_rate": 0.1}, "train": {"epochs": 10}}
    stored = load_config(file, ["optimizer.name=sgd", "optimizer.learning_rate=0.1", "train.epochs=10"], {})
    now = ["optimizer.name=adam", "optimizer.learning_rate=auto", "train.epochs=200"]  # as defaults might be
    wanted = load_config(file, now, {})
    monkeypatch.setattr("ddp_mlp.config.loading.EARLIER_DEFAULTS", earlier)
    then = load_config(file, (), {}, with_earlier_defaults=True)
    kept = kept_values(stored, wanted, then)
    assert with_values(wanted, kept) == stored
    assert "optimizer.name = 'sgd'" in kept_text(kept)
    asked = load_config(file, now, {}, with_earlier_defaults=True)  # all of them set by somebody
    assert kept_values(stored, wanted, asked) == {}
    assert kept_text({}) == ""


def test_keys_that_did_not_go_with_an_earlier_default_are_read_as_today(file):
    rules = ["optimizer.name=adam", "optimizer.beta1=0.5"]
    assert load_config(file, rules, {}, with_earlier_defaults=True).optimizer.beta1 == 0.5
    assert set(EARLIER_DEFAULTS) == {"data", "optimizer", "train"}
