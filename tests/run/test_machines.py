"""Runs on other types of CPU: pinned to a common one the bits are the same, else the user is told that they end."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import h5py
import llvmlite.binding as llvm
import numpy as np
import pytest

from ddp_mlp.comm import SingleProcess
from ddp_mlp.core.targets import TARGETS
from ddp_mlp.run.machines import mixed_hardware, other_hardware
from tests.runs import ddp_mlp
from tests.tiers import THOROUGH

ROOT = Path(__file__).parents[2]
HASWELL = ["--set", "train.isa=haswell"]
#: Long sums, so that their order counts; three kinds of kernels.
CONFIG = """
[data]
train = "wide.h5"
valid_fraction = 0.2
[model]
hidden = [48, 16]
activation = ["tanh", "softplus"]
[optimizer]
name = "adam"
[train]
epochs = 3
global_batch_size = 32
micro_batches = 2
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path, rng = tmp_path_factory.mktemp("machines"), np.random.default_rng(0)
    with h5py.File(path / "wide.h5", "w") as file:
        file["train/features"] = rng.normal(size=(200, 500)).astype(np.float32)
        file["train/targets"] = rng.integers(0, 5, 200)
    (path / "c.toml").write_text(CONFIG)
    return path


@pytest.fixture(scope="module")
def pinned(folder: Path) -> str:
    """The hash of a run for Haswell on this machine; it compiles the kernels for it."""
    return str(ddp_mlp("train", "c.toml", "--out", "pinned", *HASWELL, "--json", cwd=folder).result["weights_sha256"])


@pytest.fixture
def emulator() -> list[str]:
    """The command that runs a program on an emulated Haswell."""
    qemu = shutil.which("qemu-x86_64")
    if qemu is None:
        if "DDP_MLP_REQUIRE_QEMU" in os.environ:
            pytest.fail("qemu-x86_64 is required here, and is not on PATH")
        pytest.skip("qemu-x86_64 (Debian: qemu-user) is not on PATH")
    return [qemu, "-cpu", "Haswell-noTSX", str(Path(sys.executable).resolve())]


def emulated(emulator: list[str], folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    paths = [
        str(ROOT),
        sysconfig.get_path("purelib"),
    ]  # the interpreter behind the environment's link knows no packages
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "DDP_MLP_PROGRESS": "none"}
    command = [*emulator, "-m", "ddp_mlp", "train", "c.toml", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=280, check=False
    )


pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64", reason="the CPU types here are of x86_64")


@THOROUGH
def test_pinned_runs_have_the_same_bits_on_another_cpu(folder: Path, pinned: str, emulator: list[str]) -> None:
    done = emulated(emulator, folder, "--out", "emulated", *HASWELL, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["weights_sha256"] == pinned
    shown = ddp_mlp("checkpoint", "show", "emulated", "--json", cwd=folder).result["written_by"]
    assert (shown["isa"], shown["llvm_cpu"]) == ("haswell", "haswell")


@THOROUGH
@pytest.mark.skipif(not llvm.get_host_cpu_features().get("fma"), reason="the C library computes otherwise without FMA")
def test_the_kernels_give_the_bits_of_another_type_even_unpinned(folder: Path, pinned: str) -> None:
    """No sum depends on the width of a vector. Not promised: elementary functions are the C library's."""
    native = ddp_mlp("train", "c.toml", "--out", "native", "--json", cwd=folder).result
    assert native["weights_sha256"] == pinned


@THOROUGH
def test_the_emulated_cpu_is_another_one(emulator: list[str]) -> None:
    code = "import llvmlite.binding as llvm; print(llvm.get_host_cpu_name(), llvm.get_host_cpu_features()['avx512f'])"
    environment = {**os.environ, "PYTHONPATH": sysconfig.get_path("purelib")}
    command = [*emulator, "-c", code]
    seen = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert seen.stdout == "haswell False\n"


@THOROUGH
def test_a_type_that_the_cpu_is_not_is_refused(folder: Path, emulator: list[str]) -> None:
    done = emulated(emulator, folder, "--out", "refused", "--set", "train.isa=skylake-avx512")
    errors = [line for line in done.stderr.splitlines() if line.startswith("error")]
    assert (done.returncode, len(errors)) == (2, 1), done.stderr
    assert "[train] isa = 'skylake-avx512' needs avx512" in errors[0]
    assert not (folder / "refused").exists()


@THOROUGH
@pytest.mark.mpi
def test_ranks_are_pinned_too(folder: Path, pinned: str) -> None:
    result = ddp_mlp("train", "c.toml", "--out", "ranks", *HASWELL, "--json", cwd=folder, ranks=2).result
    assert result["weights_sha256"] == pinned
    shown = ddp_mlp("checkpoint", "show", "ranks", "--json", cwd=folder).result["written_by"]
    assert (shown["isa"], shown["llvm_cpu"]) == ("haswell", "haswell")


def test_the_environment_pins_nothing_that_is_loaded(folder: Path) -> None:
    """NumPy must come after the variables: nothing of the command line imports it before."""
    code = (
        "import sys\nfrom pathlib import Path\nimport ddp_mlp.cli.commands.train\n"
        "from ddp_mlp.cli.options import read_config\n"
        "read_config(Path('c.toml'), ['train.isa=haswell'])\n"
        "print(sorted({'numpy', 'numba', 'llvmlite', 'h5py', 'mpi4py'} & set(sys.modules)))\n"
        "from ddp_mlp.core.kernels.numba_ext.hardware import code_target\nprint(code_target()[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "[]\nhaswell\n", done.stderr


@THOROUGH
def test_a_resume_on_another_type_says_that_the_bits_end(folder: Path, pinned: str) -> None:
    del pinned  # which has compiled the kernels of the other type
    other_type = {name: value for name, value in TARGETS["haswell"].variables().items() if name.startswith("NUMBA")}
    first = ddp_mlp("train", "c.toml", "--out", "moved", "--set", "train.epochs=1", cwd=folder)
    same = ddp_mlp("train", "c.toml", "--out", "moved", "--set", "train.epochs=2", "--resume", cwd=folder)
    other = ddp_mlp("train", "c.toml", "--out", "moved", "--resume", cwd=folder, **other_type)
    assert [done.code for done in (first, same, other)] == [0, 0, 0], other.err
    assert "warning" not in first.err + same.err
    assert "warning: the checkpoint was written on x86_64 (LLVM for " in other.err
    assert "this is x86_64 (LLVM for haswell/" in other.err


@THOROUGH
def test_a_change_of_the_pin_is_no_resume(folder: Path, pinned: str) -> None:
    done = ddp_mlp("train", "c.toml", "--out", "pinned", "--resume", "--set", "train.isa=native", cwd=folder)
    assert (done.code, len(done.error_lines)) == (78, 1), done.err
    assert "[train] isa: 'haswell' in the checkpoint, 'native' now" in done.error_lines[0]


HERE = {"machine": "x86_64", "llvm_cpu": "znver3", "llvm_features": "0123"}


def test_what_a_checkpoint_does_not_tell_is_not_held_against_it() -> None:
    assert other_hardware({"host": "n1"}, HERE) == ""
    assert other_hardware({"host": "n1", **HERE}, HERE) == ""
    assert "LLVM for znver3/4567" in other_hardware({**HERE, "llvm_features": "4567"}, HERE)


class World(SingleProcess):
    """Rank 0 of two."""

    host = "n0"
    world_size = 2

    def __init__(self, other: dict[str, str]) -> None:
        self._other = other

    def share_text(self, text: str) -> list[str]:
        return [text, json.dumps(["n1", self._other])]


def test_ranks_on_other_types_are_told_of() -> None:
    assert mixed_hardware(World(HERE), HERE) == ""
    told = mixed_hardware(World({**HERE, "llvm_cpu": "skylake-avx512"}), HERE)
    assert told.startswith("rank 1 on n1 runs on x86_64 (LLVM for skylake-avx512/0123), rank 0 on n0 on x86")
    assert 'isa = "haswell"' in told
