"""The architecture page says of the code what is so."""

from __future__ import annotations

import re

from tests.architecture import PAGE, ROOT, floors, rooms, with_picture

PACKAGE = ROOT / "ddp_mlp"


def paths(text: str) -> list[str]:
    """Return the places in the package that a text names, in code spans and beside the lines of pseudo-code.

    Beside those, a name without a folder stands in that of the place before it.
    """
    named = [word for word in re.findall(r"`([a-z0-9_]+(?:/[a-z0-9_]+)*)`", text) if "/" in word or word in rooms()]
    (steps,) = (block for block in re.findall(r"```\n(.*?)```", text, re.DOTALL) if block.startswith("for epoch"))
    for places in re.findall(r"^.*\S {2,}(\S.*)$", steps, re.MULTILINE):
        for word in places.strip("- ").split(": ")[-1].split(", "):
            named.append(word if "/" in word else f"{named[-1].rpartition('/')[0]}/{word}")
    return named


def test_the_drawn_table_is_that_of_the_code() -> None:
    """Where this fails, run: python -m tests.architecture."""
    page = PAGE.read_text()
    assert with_picture(page) == page


def test_every_place_that_is_named_exists() -> None:
    text = PAGE.read_text()
    named = paths(text)
    missing = [name for name in named if not any((PACKAGE / f"{name.strip('/')}{end}").exists() for end in ("", ".py"))]
    assert missing == []
    assert len(named) > 50


def test_every_function_that_is_named_beside_its_module_exists() -> None:
    found = re.findall(r"`([a-z0-9_]+/[a-z0-9_/]+)`, `(\w+)`", PAGE.read_text())
    functions = [(module, name) for module, name in found if name not in rooms()]
    assert functions
    for module, name in functions:
        assert re.search(rf"^(def )?{name}\b", (PACKAGE / f"{module}.py").read_text(), re.MULTILINE), (module, name)


def test_the_package_has_no_circle_of_rooms() -> None:
    assert floors({"a": {"b"}, "b": set()}) == [["a"], ["b"]]
