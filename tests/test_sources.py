"""What the package never does: run or unpickle what a file says, hand text to a shell, or write files anywhere."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "ddp_mlp"
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "marshal", "shelve", "joblib", "code", "runpy"}
CALLS = {"eval", "exec", "compile", "__import__"}
ATTRIBUTES = {
    ("serialize", "loads"),
    ("os", "system"),
    ("os", "popen"),
    ("torch", "load"),
    ("np", "fromregex"),
    ("yaml", "load"),
}
KEYWORDS = {"allow_pickle", "shell"}


def offences(source: str) -> list[str]:
    """Return what in a source text is not allowed, with its line."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.split(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in MODULES:
            names = [node.module]
        elif isinstance(node, ast.Call):
            names = _of_call(node)
        found += [f"line {node.lineno}: {name}" for name in names]
    return found


def _of_call(call: ast.Call) -> list[str]:
    names = []
    if isinstance(call.func, ast.Name) and call.func.id in CALLS:
        names.append(call.func.id)
    if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name):
        called = (call.func.value.id, call.func.attr)
        names += [".".join(called)] if called in ATTRIBUTES else []
    for keyword in call.keywords:
        allowed = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
        names += [f"{keyword.arg}="] if keyword.arg in KEYWORDS and not allowed else []
    return names


def test_no_pickle_no_eval_no_shell():
    found = {str(path.relative_to(PACKAGE)): offences(path.read_text()) for path in PACKAGE.rglob("*.py")}
    assert len(found) > 100
    assert {name: len(lines) for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "serialize.loads(code)",
        "from pickle import loads",
        "import joblib.numpy_pickle",
        "eval(x)",
        "exec('1')",
        "np.load(f, allow_pickle=True)",
        "np.load(f, allow_pickle=flag)",
        "subprocess.run(x, shell=True)",
        "os.system('ls')",
        "torch.load(f)",
    ],
)
def test_the_scan_finds_it(source):
    assert len(offences(source)) == 1


def test_the_scan_lets_the_rest_pass():
    assert offences("np.load(f, allow_pickle=False)\nre.compile('x')\nmodel.eval()\n") == []


#: Where files are changed: the one way to do it; what is no file of a user's run; and who has to do it by itself.
WRITERS = {
    "durable.py",
    "plain_files.py",
    "run/files/lock.py",  # a file that is locked stays the same file
    "core/kernels/numba_ext/cache.py",  # machine code, which is private whatever the umask says
    "cli/main.py",  # /dev/null
    "cli/streams.py",  # likewise
    "cluster/launch/mpi_leftovers.py",
    "comm/leftovers.py",
    "data/prediction_files.py",  # a temporary file of `under_way`, written a piece at a time
    "service/running/claims.py",  # a file that comes into being once, whoever tries
    "service/security/tokens.py",  # likewise, and private whatever the umask says
    "comm/node_memory.py",  # memory, in the place of it
    "study/execution/forked.py",  # what leads nowhere
    "service/service.py",  # whole directories of jobs that are removed
    "report/giving_way.py",  # of the kernel, about a process
    "data/sources/matlab/child.py",  # in a folder of its parent's, for the parent alone
}
CHANGING = {"write_text", "write_bytes", "unlink", "symlink_to", "hardlink_to", "touch", "rmtree", "mkstemp"}
CHANGING_OF_OS = {"open", "replace", "rename", "remove", "truncate", "ftruncate", "link", "symlink"}


def changes(source: str) -> list[str]:
    """Return where a source text changes files by itself: to write, each opens what others may have put there."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        owner, name = node.func.value, node.func.attr
        is_os = isinstance(owner, ast.Name) and owner.id == "os"
        mode = next((str(a.value) for a in node.args if isinstance(a, ast.Constant)), "r") if name == "open" else ""
        if name in CHANGING or (is_os and name in CHANGING_OF_OS) or (not is_os and set(mode) & set("wax+")):
            found.append(f"line {node.lineno}: {name}")
    return found


def test_files_are_changed_in_one_place():
    sources = {str(path.relative_to(PACKAGE)): path.read_text() for path in PACKAGE.rglob("*.py")}
    found = {name: changes(text) for name, text in sources.items() if name not in WRITERS}
    assert {name: lines for name, lines in found.items() if lines} == {}
    assert all(changes(sources[name]) for name in WRITERS), "one that changes nothing needs no exception"


def test_each_change_of_a_run_directory_is_checked():
    """What a run writes is written by `RunDirectory`, which knows whether the run may."""
    names = {"write_whole": 3, "append_lines": 3, "remove": 2, "under_way": 2}
    unchecked = []
    rooms = ("engine", "checkpoint", "training", "run", "study")
    for path in sorted(path for room in rooms for path in (PACKAGE / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
                unchecked += [] if len(node.args) == names[node.func.id] else [path.name]
    allowed = ["best_runs.py", "definition.py", "ensemble.py", "record.py", "results.py", "table.py"]
    assert sorted(unchecked) == allowed, "they write beside the runs of a study, or before these begin"


@pytest.mark.parametrize(
    "source", ["path.open('w')", "os.open(x, y)", "p.unlink()", "path.write_text(t)", "os.rename(a, b)"]
)
def test_a_change_is_found(source):
    assert len(changes(source)) == 1


def test_reading_is_no_change():
    assert changes("path.open('rb')\nfile.write(b'w')\nreplace(x, y)\ntext.replace('a', 'w')\npath.open()\n") == []


#: The modules that may ask h5py for what is in a file: they look before, and within bounds.
DOOR = {
    f"data/hdf5/{name}.py"
    for name in ("guard", "nodes", "arrays", "attributes", "chunks", "number_types", "reading", "texts")
}


def reads_of_hdf5(source: str) -> list[str]:
    """Return where a source text reads from HDF5, with its line: opens a file for more than writing, or asks it."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            names = [module for module in modules if module.split(".")[0] == "h5py"]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            names = _of_hdf5_call(node, node.func.attr)
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
            is_attribute = isinstance(node.value, ast.Attribute) and node.value.attr == "attrs"
            is_whole = isinstance(node.slice, ast.Tuple) and not node.slice.elts
            names = ["attrs[...]"] * is_attribute + ["[()]"] * is_whole
        elif isinstance(node, ast.Attribute) and node.attr in {"handle", "_id"}:
            names = [f".{node.attr}"]
        found += [f"line {node.lineno}: {name}" for name in names]
    return found


def _of_hdf5_call(call: ast.Call, name: str) -> list[str]:
    if name == "File":
        modes = [a.value for a in (*call.args[1:2], *(k.value for k in call.keywords)) if isinstance(a, ast.Constant)]
        return [] if {"w", "x"} & set(modes) else ["File("]
    of_attributes = isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Attribute)
    is_read = of_attributes and call.func.value.attr == "attrs" and name in {"get", "items", "values", "pop"}  # type: ignore[attr-defined]
    return [name] if is_read or name in {"asstr", "astype_str", "read_direct", "read_direct_chunk"} else []


def test_hdf5_is_read_through_one_door():
    sources = {str(path.relative_to(PACKAGE)): path.read_text() for path in PACKAGE.rglob("*.py")}
    found = {name: reads_of_hdf5(text) for name, text in sources.items() if name not in DOOR}
    assert {name: lines for name, lines in found.items() if lines} == {}
    assert set(sources) >= DOOR


@pytest.mark.parametrize(
    "source",
    [
        "import h5py",
        "from h5py import File",
        "load_h5py().File(path)",
        "h5py.File(path, 'r')",
        "h5py.File(path, mode='a')",
        "x = file.attrs['name']",
        "file.attrs.get('name')",
        "file['text'].asstr()",
        "value = data[()]",
        "file.handle",
        "group._id",
    ],
)
def test_the_scan_finds_a_read(source):
    assert len(reads_of_hdf5(source)) == 1


def test_the_scan_lets_writers_pass():
    assert reads_of_hdf5("with h5py.File(path, 'w') as file:\n    file.attrs['a'] = 1\n    file['x'] = y\n") == []


def test_mpi_is_imported_in_one_room():
    """Whoever imports mpi4py first decides whether that starts MPI; there, a rank that never comes would hold all."""
    importing = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if any(name.split(".")[0] == "mpi4py" for name in names):
                importing.add(str(path.parent.relative_to(PACKAGE)))
    assert importing == {"comm/mpi"}


def test_the_communicator_of_ranks_is_imported_without_a_start_of_mpi():
    told = "from ddp_mlp.comm.mpi.communicator import MPI; print(MPI.Is_initialized())"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
