"""The documentation site; built by ``sphinx-build -W docs build/docs``."""

from __future__ import annotations

import re
from importlib.metadata import version as version_of
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

import ddp_mlp

project = "ddp-mlp"
author = "The ddp_mlp developers"
version = release = version_of("ddp-mlp")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_click"]

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4

add_module_names = False  # public names are those of the package, wherever they are defined
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the sections of the docstrings have them
default_role = "literal"
napoleon_google_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"ddp-mlp {release}"
html_show_copyright = False
html_copy_source = False
html_show_sourcelink = False

ROOT = Path(__file__).parent.parent
#: Files of the repository that are pages of the site; there these pages are a line that leads to the file.
SHOWN = {
    "contributing": "CONTRIBUTING.md",
    "changelog": "CHANGELOG.md",
    "datasets": "datasets/README.md",
    "examples": "examples/README.md",
}
_LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")


def site_links(app: Sphinx, page: str, source: list[str]) -> None:
    """Put the file in the place of a page that leads to it, and let links between files lead to pages."""
    file = ROOT / SHOWN.get(page, f"docs/{page}.md")
    source[0] = _LINK.sub(lambda link: _site_link(link, file.parent), file.read_text(encoding="utf-8"))
    if page == "index":
        source[0] += _contents_of_the_rest(source[0].splitlines())
    if page == "api":
        source[0] += _names_of_the_rest(source[0])


def _contents_of_the_rest(named: list[str]) -> str:
    """Return contents of the pages that the index does not name."""
    rest = sorted(page.stem for page in (ROOT / "docs").glob("*.md") if page.stem not in {*named, "index"})
    return "\n".join(["", "```{toctree}", ":hidden:", ":caption: More", "", *rest, "```", ""]) if rest else ""


def _names_of_the_rest(text: str) -> str:
    """Return the reference of public names that the page does not have."""
    rest = [name for name in ddp_mlp.__all__ if not re.search(rf"\bddp_mlp(\.\w+)*\.{name}\b", text)]
    kinds = {name: isinstance(getattr(ddp_mlp, name), type) for name in rest}
    lines = [
        f".. autoclass:: ddp_mlp.{name}\n   :members:" if is_class else f".. autofunction:: ddp_mlp.{name}"
        for name, is_class in kinds.items()
    ]
    return "\n".join(["", "## More", "", "```{eval-rst}", *lines, "```", ""]) if rest else ""


def _site_link(link: re.Match[str], folder: Path) -> str:
    """Return a link as one from ``docs``; files that are no pages can be downloaded."""
    target = (folder / link[1]).resolve()
    if not target.is_relative_to(ROOT):
        return link[0]
    name = target.relative_to(ROOT).as_posix()
    pages = {"README.md": "index.md", **{shown: f"{page}.md" for page, shown in SHOWN.items()}}
    place = name.removeprefix("docs/") if name.startswith("docs/") else f"../{name}"
    return f"]({pages.get(name, place)}{link[2] or ''})"


def whole_commands(app: Sphinx, page: nodes.document) -> None:
    """Let the title of a command have the words of its group: ``ddp-mlp data import`` instead of ``import``."""
    if app.env.docname != "commands":
        return
    for section in page.findall(nodes.section):
        group = section.parent
        if section["ids"][0].startswith("ddp-mlp-") and isinstance(group, nodes.section):
            words = f"{group[0].astext()} {section[0].astext()}"
            section[0].children = []
            section[0] += nodes.Text(words)


def setup(app: Sphinx) -> None:
    """Connect what changes a page before and after it is parsed."""
    app.connect("source-read", site_links)
    app.connect("doctree-read", whole_commands, priority=100)  # before contents are made of titles
