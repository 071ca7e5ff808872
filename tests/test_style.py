"""Sizes and sentences of the sources: small modules, and docstrings that say in positive words what there is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "ddp_mlp"
SOURCES = sorted(PACKAGE.rglob("*.py"))

MOST_MODULES, MOST_LINES, MOST_STATEMENT_LINES, FEW_PARAMETERS = 15, 250, 30, 4

#: Rooms with more modules, and why.
LARGE_ROOMS = {
    "cli/commands": "one for each command",
}
#: Modules with more lines, and why.
LONG_MODULES: dict[str, str] = {}
#: Functions with more lines below their docstring, and why.
LONG_FUNCTIONS = {
    "core/kernels/gemm/microkernel.py": "code that writes code reads best in one piece",
    "core/kernels/network/passes.py": "the backward pass, beside the forward one",
    "cli/commands/plan.py": "the text of a page",
    "comm/connect.py": "the order of the start of MPI",
    "data/layouts/conventions.py": "one attribute after the other, in the order in which they count",
    "data/sources/tables/formats/sheets.py": "one walk over the cells of a sheet",
    "data/sources/libsvm.py": "one walk over the lines, with each mistake that a line can have",
    "data/sources/tables/text/delimited.py": "one walk over the rows, with each mistake that a row can have",
    "data/sources/tables/text/dialect.py": "the signs of a table that are weighed against each other",
    "data/sources/tables/meaning.py": "one rule after the other, in the order in which they count",
    "data/sources/tables/table.py": "from a table to a source, in the order of its steps",
    "engine/arena.py": "one line for each array",
    "run/run.py": "the story of a run, and how each end of it is told",
    "training/problem.py": "the order in which ranks agree",
}
#: Starts of a first line that leave its noun unsaid, or say what something is not.
VAGUE = re.compile(
    r"(Collective\. )?((What|Nothing|Not|No|None|Never|Nobody|Without|Do nothing)\b|\w+ (what|nothing)\b)|.*: what\b",
    re.I,
)


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def functions_of(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def lines_below_docstring(function: ast.FunctionDef) -> int:
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def vague_lines(tree: ast.AST) -> list[str]:
    """Return the first lines of docstrings that are vague."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    texts = [ast.get_docstring(node) or "" for node in ast.walk(tree) if isinstance(node, kinds)]
    return [line for text in texts if (line := text.split("\n")[0]) and VAGUE.match(line)]


def undescribed(tree: ast.AST) -> list[str]:
    """Return the public functions of many parameters that describe none; options of a command have a help text."""
    found = []
    for scope in ast.walk(tree):
        for node in getattr(scope, "body", []) if isinstance(scope, ast.Module | ast.ClassDef) else []:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                names = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
                is_command = any("click" in ast.unparse(one) for one in node.decorator_list)
                many = len([name for name in names if name not in ("self", "cls")]) > FEW_PARAMETERS
                if many and not is_command and "Parameters\n---" not in (ast.get_docstring(node) or ""):
                    found.append(node.name)
    return found


def test_rooms_modules_and_functions_are_small() -> None:
    folders = {path.parent for path in SOURCES}
    rooms = {name_of(f): len([*f.glob("*.py")]) - (f / "__init__.py").exists() for f in folders}
    lines = {name_of(path): path.read_text().count("\n") for path in SOURCES}
    functions = {
        name_of(path): max((lines_below_docstring(f) for f in functions_of(ast.parse(path.read_text()))), default=0)
        for path in SOURCES
    }
    assert {name for name, n in rooms.items() if n > MOST_MODULES} == LARGE_ROOMS.keys()
    assert {name for name, n in lines.items() if n > MOST_LINES} == LONG_MODULES.keys()
    assert {name for name, n in functions.items() if n > MOST_STATEMENT_LINES} == LONG_FUNCTIONS.keys()


def test_first_lines_say_what_there_is() -> None:
    found = {name_of(path): vague_lines(ast.parse(path.read_text())) for path in SOURCES}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_many_parameters_are_described() -> None:
    """Kernels have theirs in the sentence of their docstring."""
    trees = {name_of(path): ast.parse(path.read_text()) for path in SOURCES if "kernels" not in path.parts}
    found = {name: undescribed(tree) for name, tree in trees.items()}
    assert {name: names for name, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "line",
    ["What one rank finds out.", "Return what is left.", "Do nothing: there is nobody.", "Collective. Say what comes.",
     "Nothing is always done.", "No more than that.", "A split: what it holds."],
)  # fmt: skip
def test_a_vague_line_is_found(line: str) -> None:
    assert vague_lines(ast.parse(f'"""{line}"""')) == [line]


def test_a_line_with_its_noun_passes() -> None:
    for line in (
        "Statistics of the rows.",
        "Return the rest.",
        "Collective. Tell whether all arrived.",
        "Note the end.",
    ):
        assert vague_lines(ast.parse(f'"""{line}"""')) == []


def test_parameters_that_are_not_described_are_found() -> None:
    assert undescribed(ast.parse("def f(a, b, c, d, e):\n    '''Add.'''")) == ["f"]
    assert undescribed(ast.parse("class A:\n    def f(self, a, b, c, d):\n        '''Add.'''")) == []
