"""Keys that entries bring along: one meaning each, and a place in the configuration."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from ddp_mlp.catalog.activations import ACTIVATIONS
from ddp_mlp.catalog.keys import Entry, keys_of, takers
from ddp_mlp.catalog.losses import LOSSES, losses_of
from ddp_mlp.catalog.optimizers import OPTIMIZERS
from ddp_mlp.catalog.outputs import OUTPUTS
from ddp_mlp.catalog.schedules import SCHEDULES
from ddp_mlp.config.schema import Init, keys, sections

FAMILIES: dict[str, dict[str, Entry]] = {
    "model": dict(ACTIVATIONS), "loss": dict(LOSSES), "optimizer": dict(OPTIMIZERS), "schedule": dict(SCHEDULES),
}  # fmt: skip
FAMILY = pytest.mark.parametrize("section", FAMILIES)


@FAMILY
def test_one_key_means_the_same_in_all_entries(section: str) -> None:
    entries = FAMILIES[section]
    for name, key in keys_of(entries.values()).items():
        found = [entries[taker].keys[name] for taker in takers(entries, name)]
        assert {(one.kind, one.meaning) for one in found} == {(key.kind, key.meaning)}, name


@FAMILY
def test_every_key_of_an_entry_is_one_of_the_configuration(section: str) -> None:
    kinds = keys(sections()[section])
    for name, key in keys_of(FAMILIES[section].values()).items():
        assert kinds[name] in (key.kind, key.kind | None)


@FAMILY
def test_defaults_are_within_bounds_and_partners_exist(section: str) -> None:
    for entry in FAMILIES[section].values():
        for key in entry.keys.values():
            if key.default is not None:
                assert msgspec.convert(key.default, key.kind) == key.default
            assert not key.goes_with or key.goes_with in entry.keys
            assert sum((key.default is not None, key.is_needed, key.part_of_rate is not None)) <= 1


def test_entries_refer_to_what_there_is() -> None:
    assert {entry.init for entry in ACTIVATIONS.values()} <= set(get_args(Init))
    assert {loss.output for loss in LOSSES.values()} <= OUTPUTS.keys()
    for task in ("regression", "binary", "multiclass"):
        assert losses_of(task), task


@pytest.mark.parametrize("entries", [ACTIVATIONS, LOSSES])
def test_a_kernel_of_one_parameter_has_one_key(entries: dict[str, Entry]) -> None:
    assert max(len(entry.keys) for entry in entries.values()) == 1
