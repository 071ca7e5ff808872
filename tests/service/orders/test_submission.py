"""Requests for jobs: what they may name, and what is said about what they may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from ddp_mlp.errors import UsageError
from ddp_mlp.service.orders.arguments import checked_arguments
from ddp_mlp.service.orders.configuration import RefusedError, check_config, confined_location
from ddp_mlp.service.orders.importing import ImportRequest, import_arguments
from ddp_mlp.service.orders.studies import check_search
from ddp_mlp.service.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    for name in ("served", "data", "secret"):
        (tmp_path / name).mkdir()
    made = Settings((tmp_path / "served").resolve(), ((tmp_path / "data").resolve(),))
    made.make_folders()
    for folder in (made.directory, made.data[0], tmp_path / "secret"):
        (folder / "x.h5").touch()
    (made.directory / "link.h5").symlink_to(tmp_path / "secret" / "x.h5")
    (made.directory / "folder").symlink_to(tmp_path / "secret")
    (made.directory / "a:").symlink_to(tmp_path / "secret")
    return made


def test_paths_lead_to_files_of_the_service(settings: Settings):
    inside, data = settings.directory / "x.h5", settings.data[0] / "x.h5"
    assert confined_location("x.h5", settings) == str(inside)
    assert confined_location(f"{data}:/group/a", settings) == f"{data}:/group/a"
    assert confined_location("./runs/../x.h5", settings) == str(inside)


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "../secret/x.h5", "link.h5", "folder/x.h5", "x.h5\0", "", "x\n.h5", ".service/token",
     "/proc/self/root/etc/passwd", "runs/../../secret/x.h5", "a:/x.h5", "x.h5:/a:/b", "x.h5:a", "~root/x.h5:b",
     "a" * 5000, "..", "/dev/stdin", "./.service/service.db"],
)  # fmt: skip
def test_paths_lead_nowhere_else(path: str, settings: Settings):
    with pytest.raises(UsageError):
        confined_location(path, settings)
    text = {"data": {"train": path}}
    for section, key in (("data", "valid"), ("model", "start")):
        with pytest.raises(RefusedError) as caught:
            check_config("[data]\ntrain = 'x.h5'", {f"{section}.{key}": path}, settings)
        assert caught.value.problems[0][0] == f"{section}.{key}", text


def test_each_problem_is_at_its_key(settings: Settings):
    config = "[data]\ntrain = '/etc/passwd'\n[optimizer]\nlearning_rate = -1\nnme = 3\n[nonsense]\n"
    with pytest.raises(RefusedError) as caught:
        check_config(config, {}, settings)
    assert [key for key, _ in caught.value.problems] == [
        "data.train",
        "optimizer.learning_rate",
        "optimizer.nme",
        "config",
    ]


@pytest.mark.parametrize(
    ("config", "overrides"),
    [("[data", {}), ("[[" * 100, {}), ("a." * 3000 + "b = 1", {}), ("x = " + "[" * 5000, {}),
     ("[data]\ntrain = 'x.h5'", {"data": 1}), ("[data]\ntrain = 'x.h5'", {"__class__.x": 1}),
     ("[data]\ntrain = 'x.h5'", {"train.epochs": None}), ("[data]\ntrain = 'x.h5'", {"train.epochs": {"a": 1}}),
     ("[data]\ntrain = 'x.h5'\ntrain = 2", {}), ("data = 3", {"data.train": "x.h5"}), ("", {}),
     ("[data]\ntrain = 'x.h5'", {f"train.k{i}": 1 for i in range(300)}), ("x" * 2**20, {}),
     ("[data]\ntrain = 'x.h5'", {"model.hidden": [[1]]}), ("[data]\ntrain = ['x.h5']", {}),
     ("[data]\ntrain = 'x.h5'", {"train.epochs": 1e400})],
)  # fmt: skip
def test_nonsense_is_refused_in_words(config: str, overrides: dict[str, object], settings: Settings):
    with pytest.raises(RefusedError) as caught:
        check_config(config, overrides, settings)
    assert caught.value.problems
    assert len(str(caught.value)) < 10_000


def test_what_is_written_is_what_was_checked(settings: Settings):
    checked = check_config("[data]\ntrain = 'x.h5'\n[train]\nepochs = 3", {"train.epochs": 7}, settings)
    assert checked.table == {"data": {"train": str(settings.directory / "x.h5")}, "train": {"epochs": 7}}
    assert checked.config.train.epochs == 7


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [("train", ["--out", "/x"]), ("train", ["--overwrite"]), ("search", ["--try", "data.train=['/etc/passwd']"]),
     ("search", ["--try= data.train=[1]"]), ("search", ["--try=model.start=['x']"]), ("search", ["--try"]),
     ("search", ["--try", "data.valid=['a']\0"]), ("search", ["--set", "data.train=/etc/x"]),
     ("search", ["x.toml"]),
     ("search", ["--halving=1"]), ("ensemble", ["--members", "--out"]), ("train", ["--max-time", "1h; rm"]),
     ("cross-validate", ["--folds=5 --out=x"]), ("nonsense", ["--folds", "3"]),
     ("search", ["--try", "data.valid=['/etc/x']"]), ("ensemble", []), ("ensemble", ["--members", "1"]),
     ("search", ["--trials", "0"]), ("search", ["--sampler", "best"]), ("cross-validate", ["--folds", "1"])],
)  # fmt: skip
def test_options_that_are_not_listed_are_refused(kind: str, arguments: list[str]):
    with pytest.raises(UsageError):
        checked_arguments(kind, arguments)


def test_listed_options_pass():
    checked_arguments("search", ["--try", "optimizer.learning_rate=[0.1, 0.01]", "--folds=3", "--halving"])
    checked_arguments("search", ["--try=data.augment.noise=0..1 linear", "--random", "5", "--metric", "r2"])
    checked_arguments("ensemble", ["--members", "5"])
    checked_arguments("train", [])
    found = checked_arguments("search", ["--try=a.b=[1]", "--halving", "--try", "a.c=[2]", "--group-by", "who"])
    assert found == {"--try": ["a.b=[1]", "a.c=[2]"], "--halving": [], "--group-by": ["who"]}


@pytest.mark.parametrize(
    ("arguments", "word"),
    [([], "--try"), (["--try=optimizer.rate=[1]"], "rate"), (["--try=nonsense.rate=[1]"], "nonsense"),
     (["--try=train.epochs=[3, 0]"], "epochs"), (["--try=train.epochs=-1..5", "--trials=3"], "epochs"),
     (["--try=data.targets=['a']"], "different things"), (["--try=train.epochs=[3, 3]"], "twice"),
     (["--try=model.dropout=[0, 0.5]", "--trials=3", "--sampler=grid"], "leave out"),
     (["--try=model.dropout=0..0.5", "--sampler=tpe"], "--trials"),
     (["--try=train.epochs=[1]", "--eta=4"], "--halving"),
     (["--try=train.epochs=[1] if model.dropout=0"], "not tried"),
     (["--try=optimizer.momentum=[0.9]", "--try=optimizer.name=[momentum, adam]"], "momentum")],
)  # fmt: skip
def test_a_search_that_cannot_begin_is_refused(arguments: list[str], word: str):
    table = {"data": {"train": "x.h5"}, "model": {"hidden": [8]}}
    with pytest.raises(UsageError, match=word):
        check_search(checked_arguments("search", arguments), table)
    assert table == {"data": {"train": "x.h5"}, "model": {"hidden": [8]}}


def test_a_search_that_can_begin_passes():
    arguments = ["--try=optimizer.momentum=[0.9] if optimizer.name=momentum", "--try=optimizer.name=[momentum, adam]",
                 "--try=model.hidden=[[4], [8]]", "--try=train.epochs=1..5", "--trials", "4"]  # fmt: skip
    check_search(checked_arguments("search", arguments), {"data": {"train": "x.h5"}})


def test_options_of_an_import_cannot_become_others():
    found = import_arguments(
        ImportRequest(target=["--out=/etc/x"], separator="-x", drop=["a", "--force"], header=False)
    )
    assert found == ["--target=--out=/etc/x", "--drop=a", "--drop=--force", "--separator=-x", "--no-header"]
