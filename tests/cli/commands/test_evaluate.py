"""Tables of many classes or targets are printed as far as a person reads them."""

from __future__ import annotations

import pytest

from ddp_mlp.cli.commands.evaluate import _print_report


@pytest.mark.parametrize(("name", "key"), [("classes", "f1"), ("targets", "r2")])
def test_of_many_rows_the_worst_are_printed(capsys, name, key):
    rows = [{name[:-1]: f"number {i}", key: i / 1000, "n_samples": 7} for i in range(1000)]
    rows[500][key] = None
    rows[3]["n_samples"] = 0
    _print_report({"accuracy": 0.5, name: rows, "confusion": [[0]] * 1000})
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 24
    assert printed[-1] == f"the 20 worst of 1000 {name}; --json has all"
    assert not any("number 3 " in line or "number 500" in line for line in printed)
    assert printed[3].startswith("number 0")
    assert printed[-2].startswith("number 20")


def test_few_rows_are_all_printed(capsys):
    rows = [{"class": str(i), "f1": None, "n_samples": 0} for i in range(3)]
    _print_report({"accuracy": 0.5, "classes": rows, "confusion": [[0] * 3] * 3})
    assert len(capsys.readouterr().out.splitlines()) == 1 + 5 + 5
