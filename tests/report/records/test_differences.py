"""Only what differs between runs is told."""

from __future__ import annotations

from ddp_mlp.report.records.differences import differences
from ddp_mlp.report.records.record import read_record
from tests.report.made import make_run


def test_only_keys_that_differ_and_bear_on_the_result_are_told(tmp_path):
    paths = [make_run(tmp_path / str(i), rate=rate, timeout=600.0 + i) for i, rate in enumerate((0.01, 0.1, 0.01))]
    records = [read_record(path) for path in paths]
    assert differences(records) == {"optimizer.learning_rate": [0.01, 0.1, 0.01]}
    assert differences(records[:1]) == {}
    assert differences([records[0], records[2]]) == {}


def test_a_key_that_a_run_has_not_is_a_difference(tmp_path):
    one, other = (make_run(tmp_path / name) for name in "ab")
    with (other / "config.toml").open("a") as file:
        file.write("clip_norm = 1.0\n")
    assert differences([read_record(one), read_record(other)]) == {"train.clip_norm": [None, 1.0]}


def test_a_run_that_failed_before_it_had_a_configuration_differs_in_nothing(tmp_path):
    runs = [make_run(tmp_path / name, rate=rate) for name, rate in (("a", 0.1), ("failed", 0.1), ("b", 0.2))]
    (runs[1] / "config.toml").unlink()
    records = [read_record(path) for path in runs]
    assert differences(records) == {"optimizer.learning_rate": [0.1, None, 0.2]}
    assert differences(records[:2]) == {}
