"""Draw the rooms of the package and their arrows into the architecture page: ``python -m tests.architecture``.

The picture is made from the imports, so it cannot go stale: a test compares the page with it.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import grimp

PACKAGE = "ddp_mlp"
ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- drawn by python -m tests.architecture -->", "<!-- end of what is drawn -->"


def rooms() -> list[str]:
    """Return the names of the package's rooms: its subpackages and modules, without the entry points."""
    entries = sorted((ROOT / PACKAGE).iterdir())
    names = [path.stem for path in entries if (path / "__init__.py").exists() or path.suffix == ".py"]
    return [name for name in names if not name.startswith("__")]


def arrows() -> dict[str, set[str]]:
    """Return the rooms that each room imports."""
    graph = grimp.build_graph(PACKAGE)
    found: dict[str, set[str]] = {room: set() for room in rooms()}
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            source, target = (name.split(".")[1] if "." in name else "" for name in (module, imported))
            if source in found and target in found and source != target:
                found[source].add(target)
    return found


def floors(of: dict[str, set[str]]) -> list[list[str]]:
    """Return the rooms floor by floor, the lowest last: each stands above all that it imports.

    Examples
    --------
    >>> floors({"a": {"b", "c"}, "b": {"c"}, "c": set()})
    [['a'], ['b'], ['c']]
    """
    height: dict[str, int] = {}

    def climb(room: str, path: tuple[str, ...] = ()) -> int:
        if room in path:
            raise ValueError(f"a circle of rooms: {' > '.join((*path, room))}")
        if room not in height:
            height[room] = max((climb(below, (*path, room)) + 1 for below in of[room]), default=0)
        return height[room]

    for room in of:
        climb(room)
    return [sorted(r for r in of if height[r] == h) for h in range(max(height.values()), -1, -1)]


def _summary(room: str) -> tuple[int, str]:
    """Return the number of modules of a room, and the first line of its docstring."""
    folder = ROOT / PACKAGE / room
    face = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    docstring = ast.get_docstring(ast.parse(face.read_text())) or ""
    modules = [path for path in folder.rglob("*.py") if path.name != "__init__.py"] if folder.is_dir() else [face]
    return len(modules), docstring.splitlines()[0]


def picture() -> str:
    """Return the picture as Markdown: a table from the top floor to the ground."""
    found = arrows()
    lines = ["| floor | room | modules | purpose | imports |", "|--:|---|--:|---|---|"]
    stories = floors(found)
    for level, story in zip(range(len(stories) - 1, -1, -1), stories, strict=True):
        for room in story:
            n_modules, purpose = _summary(room)
            below = ", ".join(f"`{name}`" for name in sorted(found[room])) or "-"
            lines.append(f"| {level} | `{room}` | {n_modules} | {purpose} | {below} |")
    return "\n".join(lines)


def with_picture(page: str) -> str:
    """Return the page with the picture between its two marks."""
    head, rest = page.split(BEGIN)
    return f"{head}{BEGIN}\n{picture()}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    PAGE.write_text(with_picture(PAGE.read_text()))
    sys.stdout.write(f"{PAGE.relative_to(ROOT)}: drawn\n")
