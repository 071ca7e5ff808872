"""The configuration: defaults, who overrides whom, and every problem in one message."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ddp_mlp.catalog.dtypes import DTYPES
from ddp_mlp.catalog.optimizers import OPTIMIZERS
from ddp_mlp.config import Config, as_toml, from_builtins, load_config
from ddp_mlp.config.checks import resolve_defaults
from ddp_mlp.config.schema import Activation, Init, LossName, Normalize, Output, keys, sections
from ddp_mlp.errors import MissingInputError, UsageError

MINIMAL = '[data]\ntrain = "train.h5"\n'
#: All rows at once: what any optimiser can do with.
FULL = "train.global_batch_size=full"


@pytest.fixture
def load(tmp_path: Path):
    """Return a function that writes a file and loads it."""

    def write_and_load(text: str = MINIMAL, *overrides: str, **environment: str) -> Config:
        path = tmp_path / "run.toml"
        path.write_text(text)
        return load_config(path, overrides, environment)

    return write_and_load


def problems(load: Any, text: str, *overrides: str, **environment: str) -> str:
    with pytest.raises(UsageError) as caught:
        load(text, *overrides, **environment)
    return str(caught.value)


def test_defaults(load: Any, tmp_path: Path) -> None:
    """What a run is that says nothing but its data; a default that changes changes every such run."""
    found = msgspec.to_builtins(load())
    for section, expected in {
        "data": {"train": str(tmp_path / "train.h5"), "valid": None, "valid_fraction": None, "normalize": "auto"},
        "model": {"hidden": [128, 64], "activation": "relu", "output": "auto", "init": "auto"},
        "loss": {"name": "auto"},
        "optimizer": {"name": "adam", "learning_rate": 0.001, "momentum": None, "beta1": 0.9, "eps": 1e-8},
        "train": {
            "epochs": 200,
            "global_batch_size": 64,
            "early_stopping_patience": 20,
            "micro_batches": "auto",
            "seed": 0,
            "dtype": "float32",
        },
        "checkpoint": {"every_epochs": 1, "keep": 3},
    }.items():
        assert found[section] | expected == found[section], section


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_optimizer_resolves_its_own_settings(load: Any, name: str) -> None:
    optimizer = msgspec.to_builtins(load(MINIMAL, f"optimizer.name={name}", FULL).optimizer)
    given = {key: value for key, value in optimizer.items() if key not in ("name", "learning_rate")}
    assert {key: value for key, value in given.items() if value is not None} == OPTIMIZERS[name].defaults


def test_a_setting_of_the_optimizer_stays_as_it_was_given(load: Any) -> None:
    adam = load(MINIMAL + "[optimizer]\nname = 'adam'\nbeta1 = 0.5\n").optimizer
    assert (adam.beta1, adam.beta2) == (0.5, 0.999)


def test_file_then_environment_then_override(load: Any) -> None:
    text = MINIMAL + "[train]\nepochs = 1\nseed = 1\nglobal_batch_size = 1\n"
    train = load(
        text, "train.epochs=3", DDP_MLP_TRAIN_EPOCHS="2", DDP_MLP_TRAIN_SEED="2", DDP_MLP_OPTIMIZER_LEARNING_RATE="0.5"
    )
    assert (train.train.epochs, train.train.seed, train.train.global_batch_size) == (3, 2, 1)
    assert train.optimizer.learning_rate == 0.5


def test_the_last_override_wins(load: Any) -> None:
    assert load(MINIMAL, "train.seed=1", "train.seed=2").train.seed == 2


def test_overrides_make_sections(load: Any) -> None:
    assert load("", "data.train=/x.h5", "model.hidden=[]").data.train == "/x.h5"


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("model.activation=tanh", "tanh"),
        ("model.activation='tanh'", "tanh"),
        ('model.activation=["tanh", "relu"]', ["tanh", "relu"]),
        (" model.activation = tanh ", "tanh"),
    ],
)
def test_override_is_a_toml_value_or_a_word(load: Any, override: str, value: Any) -> None:
    assert load(MINIMAL, override).model.activation == value


def test_override_may_hold_an_equals_sign(load: Any) -> None:
    assert load(MINIMAL, "data.features=a=b").data.features == "a=b"


@pytest.mark.parametrize("text", ["train", "train.epochs", "=3", "epochs=3", ".epochs", "train.=3"])
def test_override_of_another_form_is_refused(load: Any, text: str) -> None:
    assert f"--set {text!r} is not of the form SECTION.KEY=VALUE" in problems(load, MINIMAL, text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [("epochs=3", "train.epochs"), ("lr=1", "optimizer.learning_rate"), ("steps=1", "schedule.steps")],
)
def test_a_key_without_its_section_is_told_where_it_is(load: Any, text: str, meant: str) -> None:
    assert f"SECTION.KEY=VALUE, did you mean {meant}?" in problems(load, MINIMAL, text)


def test_other_variables_of_the_environment_are_left_alone(load: Any) -> None:
    others = {"DDP_MLP_CACHE_DIR": "/c", "DDP_MLP_PROGRESS": "bar", "TRAIN_EPOCHS": "7", "DDP_MLP_TRAIN": "x"}
    assert load(MINIMAL, **others) == load()


def test_paths_of_the_file_are_relative_to_it_and_others_to_here(
    load: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", "/home/ada")
    text = '[data]\ntrain = "../d/train.h5"\nvalid = "~/valid.h5"\n'
    data = load(text).data
    assert (data.train, data.valid) == (f"{tmp_path}/../d/train.h5", "/home/ada/valid.h5")
    assert load(text, "data.train=t.h5").data.train == f"{here}/t.h5"
    assert load(text, DDP_MLP_DATA_TRAIN="t.h5").data.train == f"{here}/t.h5"
    assert load(text, "data.train=/abs.h5").data.train == "/abs.h5"


def test_all_problems_come_at_once(load: Any) -> None:
    text = '[dta]\ntrain = 1\n[train]\nepoch = 3\nseed = -1\ndtype = "float16"\n'
    message = problems(load, text, "nonsense", "checkpoint.keep=0")
    assert re.match(r".*run\.toml: 7 problems: ", message)
    for part in (
        "--set 'nonsense' is not of the form",
        "unknown section [dta], did you mean 'data'?",
        "[train] epoch: unknown key, did you mean 'epochs'?",
        "[train] seed = -1: must be a whole number from 0 to 9,223,372,036,854,775,807",
        "[train] dtype = 'float16': allowed are float32, float64, bfloat16, did you mean '",
        "[checkpoint] keep = 0: must be a whole number from 1 to 1,000,000,000",
        "[data] train is missing: name the HDF5 file to train on",
    ):
        assert part in message


def test_one_problem_is_not_counted(load: Any) -> None:
    message = problems(load, MINIMAL, "train.seed=-1")
    assert "problems" not in message
    assert ";" not in message


@pytest.mark.parametrize(
    "assignment",
    [
        "data.train=3", 'data.train=["a.h5"]', "data.valid_fraction=1", "data.valid_fraction=-0.1", "data.normalize=no",
        "model.hidden=5", "model.hidden=[0]", "model.hidden=[-3]", "model.hidden=[1.5]", "model.hidden=[true]",
        "model.activation=sigmoyd", 'model.activation=["relu", "x"]', "model.activation=3", "model.output=quadratic",
        "model.init=ones", "loss.name=mae", "optimizer.name=adma", "optimizer.learning_rate=0",
        "optimizer.learning_rate=-1", "optimizer.learning_rate=inf", "optimizer.learning_rate=nan",
        "optimizer.learning_rate=fast", "train.epochs=0", "train.epochs=2.5", "train.epochs=true",
        "train.global_batch_size=0", "train.global_batch_size=half", "train.micro_batches=0",
        "train.micro_batches=-4", "train.micro_batches=131072", "train.micro_batches=all",
        "train.seed=-1", "train.seed=1.5", "train.dtype=float16",
        "checkpoint.every_epochs=0", "checkpoint.keep=0", "checkpoint.keep=many",
    ],
)  # fmt: skip
def test_each_range_is_checked(load: Any, assignment: str) -> None:
    name = assignment.split("=")[0]
    section, key = name.split(".")
    message = problems(load, MINIMAL, assignment)
    assert f"[{section}] {key} = " in message
    assert "`" not in message, "in words, not in the notation of the library"


@pytest.mark.parametrize(
    ("name", "assignment"),
    [
        ("momentum", "momentum=1"),
        ("momentum", "momentum=-0.1"),
        ("adam", "beta1=1.0"),
        ("adam", "beta2=-1"),
        ("adam", "eps=0"),
        ("adam", "eps=-1e-8"),
    ],
)
def test_each_range_of_an_optimizer_is_checked(load: Any, name: str, assignment: str) -> None:
    message = problems(load, MINIMAL, f"optimizer.name={name}", f"optimizer.{assignment}", FULL)
    assert f"[optimizer] {assignment.split('=')[0]} = " in message


@pytest.mark.parametrize(
    "assignment",
    [
        "data.valid_fraction=0", "data.valid_fraction=0.999", "model.hidden=[]", "model.hidden=[1, 100000]",
        "optimizer.learning_rate=1", "optimizer.learning_rate=1e-30", "train.epochs=1", "train.seed=0",
        "train.seed=9223372036854775807", "optimizer.learning_rate=1e38", "train.global_batch_size=1",
        "train.global_batch_size=full",
        "train.micro_batches=1", "train.micro_batches=512", "train.micro_batches=auto", "checkpoint.keep=1",
    ],
)  # fmt: skip
def test_the_edges_of_the_ranges_are_allowed(load: Any, assignment: str) -> None:
    load(MINIMAL, assignment)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (Normalize, "data.normalize"),
        (Activation, "model.activation"),
        (Output, "model.output"),
        (Init, "model.init"),
        (LossName, "loss.name"),
    ],
)
def test_every_word_is_allowed_and_named_where_one_is_wrong(load: Any, kind: Any, name: str) -> None:
    for word in kind.__args__:
        try:
            load(MINIMAL, f"{name}={word}")
        except UsageError as error:  # a word of its own right that does not go with the rest
            assert "allowed are" not in str(error)  # noqa: PT017
    message = problems(load, MINIMAL, f"{name}={kind.__args__[-1]}x")
    assert f"allowed are {', '.join(kind.__args__)}, did you mean {kind.__args__[-1]!r}?" in message


@pytest.mark.parametrize("micro_batches", [3, 5, 6, 7, 12, 63])
def test_micro_batches_are_a_power_of_two(load: Any, micro_batches: int) -> None:
    message = problems(load, MINIMAL, f"train.micro_batches={micro_batches}")
    suggested = int(re.search(r"must be a power of two, such as (\d+)$", message)[1])  # type: ignore[index]
    assert suggested / 2 < micro_batches < suggested
    assert suggested.bit_count() == 1


def test_settings_of_another_optimizer_are_refused(load: Any) -> None:
    message = problems(load, MINIMAL, "optimizer.name=sgd", "optimizer.momentum=0.5", "optimizer.beta1=0.5")
    assert "[optimizer] momentum does not apply to 'sgd'; it belongs to momentum" in message
    assert "[optimizer] beta1 does not apply to 'sgd'; it belongs to adam" in message


def test_one_activation_for_each_layer(load: Any) -> None:
    model = load(MINIMAL, "model.hidden=[4, 5]", 'model.activation=["tanh", "relu"]').model
    assert model.hidden_activations() == ("tanh", "relu")
    assert load(MINIMAL, "model.hidden=[4, 5]", "model.activation=tanh").model.hidden_activations() == ("tanh", "tanh")
    message = problems(load, MINIMAL, "model.hidden=[4]", 'model.activation=["tanh", "relu"]')
    assert "[model] activation lists 2 for 1 hidden layers" in message


@pytest.mark.parametrize("text", ["train = 3\n" + MINIMAL, "data = 3", "data = 'train.h5'"])
def test_a_section_is_a_table(load: Any, text: str) -> None:
    assert "must be a table of keys, not " in problems(load, text, "train.seed=1", "data.valid=v.h5")


def test_long_values_are_cut_short(load: Any) -> None:
    message = problems(load, MINIMAL, f"model.init={'x' * 5000}")
    assert len(message) < 400


def test_files_that_are_no_configuration(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    with pytest.raises(MissingInputError, match=r"run\.toml: no such configuration file"):
        load_config(path)
    path.write_text("[data\n")
    with pytest.raises(UsageError, match=r"run\.toml: not valid TOML: .*line 1"):
        load_config(path)
    path.write_text('[data]\ntrain = "a"\ntrain = "b"\n')
    with pytest.raises(UsageError, match=r"not valid TOML: Cannot overwrite a value .*line 3"):
        load_config(path)
    path.write_bytes(b"\x89HDF\r\n\x1a\n\xff")
    with pytest.raises(UsageError, match="not a text file in UTF-8"):
        load_config(path)
    with pytest.raises(MissingInputError, match="cannot be read as a configuration file: a directory"):
        load_config(tmp_path)
    (tmp_path / "config.toml").touch()
    with pytest.raises(UsageError, match=r"this is a run directory, .*config\.toml, and --resume --out .* goes on"):
        load_config(tmp_path)


def test_configurations_are_frozen(load: Any) -> None:
    with pytest.raises(AttributeError):
        load().train.epochs = 3


_VALUES = {
    "train": st.text(st.characters(codec="utf-8", exclude_characters="\0~"), min_size=1).map(lambda name: "/" + name),
    "valid_fraction": st.floats(0, 1, exclude_max=True),
    "normalize": st.sampled_from(Normalize.__args__),
    "hidden": st.lists(st.integers(1, 10**6), max_size=5),
    "activation": st.sampled_from([name for name in Activation.__args__ if name != "step"]),  # cannot be trained
    "init": st.sampled_from(Init.__args__),
    "learning_rate": st.floats(1e-30, 1e38),
    "epochs": st.integers(1, 10**9),
    "global_batch_size": st.integers(1, 10**9) | st.just("full"),
    "micro_batches": st.integers(0, 10).map(lambda k: 2**k) | st.just("auto"),
    "seed": st.integers(0, 2**63 - 1),
    "dtype": st.sampled_from(list(DTYPES)),
    "keep": st.integers(1, 10**9),
}


@st.composite
def configurations(draw: st.DrawFn) -> Config:
    raw: dict[str, dict[str, Any]] = {}
    for section, kind in sections().items():
        chosen = [key for key in keys(kind) if key in _VALUES and (key == "train" or draw(st.booleans()))]
        raw[section] = {key: draw(_VALUES[key]) for key in chosen}
    raw["optimizer"]["name"] = draw(st.sampled_from(sorted(OPTIMIZERS)))
    if raw["optimizer"]["name"] == "line_search":
        raw["train"] |= {"global_batch_size": "full", "dtype": "float64"}
    return from_builtins(raw, "drawn")


@settings(max_examples=40)
@given(configurations())
def test_toml_loads_as_the_same_configuration(tmp_path_factory: pytest.TempPathFactory, config: Config) -> None:
    """What a run directory keeps is the run: every bit of every number, and any name of a file."""
    path = tmp_path_factory.getbasetemp() / "resolved.toml"
    path.write_bytes(as_toml(config).encode())
    assert load_config(path, (), {}) == config


@settings(max_examples=40)
@given(configurations())
def test_tables_of_a_checkpoint_load_as_the_same_configuration(config: Config) -> None:
    assert from_builtins(msgspec.to_builtins(config), "checkpoint") == config


def test_resolving_twice_changes_nothing() -> None:
    raw = {"optimizer": {"name": "adam", "beta1": 0.5}}
    once = resolve_defaults(raw)
    assert resolve_defaults(once) == once
    assert raw == {"optimizer": {"name": "adam", "beta1": 0.5}}, "the caller's tables stay"


@pytest.mark.parametrize(
    "assignment",
    [
        "checkpoint.keep=1180591620717411303424", "schedule.warmup_steps=1" + "0" * 400,
        "train.epochs=9223372036854775808",
        "train.epochs=" + "9" * 5000, "train.epochs=0x" + "f" * 5000, "train.seed=18446744073709551616",
        "model.hidden=[1152921504606846976]", "model.hidden=[" + "8," * 100_000 + "]", "model.hidden=" + "[" * 5000,
        "model.dropout=[" + "0," * 1002 + "]", "train.timeout_s=1e300", "train.timeout_s=nan", "train.timeout_s=1e-300",
        "optimizer.learning_rate=5e-324", "optimizer.learning_rate=1e300", "data.augment.shift=1e30",
        "data.folds=1000000000",
        "checkpoint.every_minutes=1e-300", "model.maxout_pieces=1000000000", "loss.q=1e30", "schedule.factor=5e-324",
        "data.train=" + "x/" * 50_000, "data.train=", r'data.train="a\u0000b"', "data.valid=''",
        "data.train=caf\udce9.h5", "data.features=" + "x" * 100_000, "data.train=~nobody-here/x.h5", "data.targets=''",
        "train.epochs=true", "train.log_layer_norms=1", "train.epochs=1979-05-27", "train.epochs=²", "train.epochs=",
    ],
    ids=lambda text: ascii(text[:40]),
)  # fmt: skip
def test_values_beyond_meaning_are_one_short_line(load: Any, assignment: str) -> None:
    section, _, key = assignment.partition("=")[0].rpartition(".")
    message = problems(load, MINIMAL, f"{assignment}")
    assert f"[{section}] {key} = " in message
    assert len(message) < 500
    assert message.isprintable()


def test_layers_that_no_machine_holds(load: Any) -> None:
    assert "100,000,000,000,000 weights are more than any" in problems(
        load, MINIMAL, "model.hidden=[10000000, 10000000]"
    )
    message = problems(load, MINIMAL, "model.tied=true", "model.hidden=[" + "8," * 1000 + "]")
    assert len(message) < 500


def test_names_and_problems_without_end_are_cut(load: Any) -> None:
    text = MINIMAL + "".join(f"key{i} = 1\n" for i in range(30_000))
    message = problems(load, text)
    assert message.endswith("[data] key19: unknown key; and more")
    assert len(problems(load, MINIMAL + "[" + "s" * 100_000 + "]\n", "k" * 100_000 + ".x=1", "y" * 100_000)) < 1000


def test_a_table_may_be_assigned_to_and_its_keys_as_well(load: Any) -> None:
    assert load(MINIMAL, "data.augment=3", "data.augment.noise=0.5").data.augment.noise == 0.5
    assert "augment = 3" in problems(load, MINIMAL, "data.augment.noise=0.5", "data.augment=3")
    assert "augment = 3" in problems(load, MINIMAL, DDP_MLP_DATA_AUGMENT="3")


def test_an_assignment_is_one_value_and_no_further_table(load: Any) -> None:
    message = problems(load, MINIMAL, "train.epochs=3\n[model]\nhidden=[5]")
    assert "[train] epochs = '3\\n[model]" in message


def test_a_byte_order_mark_is_no_part_of_the_text(load: Any, tmp_path: Path) -> None:
    path = tmp_path / "marked.toml"
    path.write_bytes(b"\xef\xbb\xbf" + MINIMAL.encode())
    assert load_config(path, (), {}) == load()
    path.write_bytes(MINIMAL.encode("utf-16"))
    with pytest.raises(UsageError, match="not a text file in UTF-8"):
        load_config(path, (), {})


def test_a_path_of_the_file_needs_no_directory_that_is_gone(load: Any, tmp_path: Path, monkeypatch: Any) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert load(MINIMAL, "train.seed=1").data.train == f"{tmp_path}/train.h5"
    assert "relative to a directory that is gone" in problems(load, MINIMAL, "data.train=t.h5")


@pytest.mark.parametrize(
    "first",
    [
        "from ddp_mlp.config import from_builtins; f = lambda: from_builtins({'data': {'train': 'x.h5'}}, 'c')",
        "from ddp_mlp.run.files.lock_owner import read_owner, Path; f = lambda: read_owner(Path('o'))",
    ],
)
def test_threads_that_come_first_together_come_through(first: str, tmp_path: Path):
    (tmp_path / "o").write_text("{}")
    script = (
        f"import sys, threading\n{first}\nsys.setswitchinterval(1e-6)\nb = threading.Barrier(8)\n"
        "threads = [threading.Thread(target=lambda: (b.wait(), f())) for _ in range(8)]\n"
        "for t in threads: t.start()\nfor t in threads: t.join()\n"
    )
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
