"""The public names, and the cost of importing them."""

from __future__ import annotations

import contextlib
import io
import pickle
import pydoc
import subprocess
import sys

import ddp_mlp
from ddp_mlp import errors

NAMES = {
    "MLPClassifier", "MLPRegressor",
    "Config", "Ensemble", "Model", "Report", "Result", "Training", "load_model", "train", "training", "__version__",
    "from_sklearn", "from_torch", "import_model",
    "DdpMlpError", "UsageError", "DataError", "MissingInputError", "OutputError", "StorageError", "StoppedError",
    "LaunchError", "CheckpointError", "NonFiniteError", "CollectiveTimeoutError",
}  # fmt: skip
_IMPORT = """
import sys, ddp_mlp
dir(ddp_mlp)
loaded = {"numpy", "numba", "mpi4py", "h5py", "pyarrow", "msgspec", "rich", "click", "sklearn"} & set(sys.modules)
assert not loaded, loaded
"""


def test_the_public_names_are_these_and_all_are_there() -> None:
    assert set(ddp_mlp.__all__) == NAMES
    assert set(dir(ddp_mlp)) >= NAMES
    assert all(getattr(ddp_mlp, name) is not None for name in NAMES)


def test_every_error_of_the_tree_is_public() -> None:
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.DdpMlpError)}
    assert {kind.__name__ for kind in kinds} <= NAMES


def test_importing_the_package_loads_nothing_else() -> None:
    subprocess.run([sys.executable, "-c", _IMPORT], check=True, timeout=60)


def test_help_shows_the_functions_with_their_words() -> None:
    page = io.StringIO()
    with contextlib.redirect_stdout(page):
        pydoc.Helper(output=page).help(ddp_mlp)
    for words in ("load_model(location", "class Config(", "class Model(", "train(config", "result.history"):
        assert words in page.getvalue(), words


def test_a_room_that_is_called_trains(moons: tuple[object, object]) -> None:
    import ddp_mlp.training.report  # binds the name of the room

    run = ddp_mlp.training({"model": {"hidden": [4]}, "train": {"epochs": 1}}, data=moons)
    assert [report.epoch for report in run if report.finished_epoch] == [1]


def test_errors_are_those_that_python_knows() -> None:
    from ddp_mlp.api.failures import InvalidDataError, InvalidUseError, NoSuchFileError

    assert issubclass(InvalidDataError, (ddp_mlp.DataError))
    assert issubclass(InvalidDataError, ValueError)
    assert issubclass(InvalidUseError, ValueError)
    error = NoSuchFileError("a.h5: no such file")
    assert isinstance(error, FileNotFoundError)
    assert str(error) == "a.h5: no such file"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301 - across the processes of a pool
