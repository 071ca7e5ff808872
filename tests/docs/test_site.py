"""The documentation site: built without a warning, complete, and asking nothing of other hosts."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import click
import pytest

import ddp_mlp
from ddp_mlp.cli.main import COMMANDS, cli
from ddp_mlp.config.reference import all_keys
from tests.tiers import THOROUGH

DOCS = Path(__file__).parents[2] / "docs"
REQUIRED = "DDP_MLP_REQUIRE_DOCS"


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    if find_spec("sphinx") is None:
        assert REQUIRED not in os.environ, f"Sphinx is not installed, and {REQUIRED} is set"
        pytest.skip("Sphinx is not installed (pip install -e '.[docs]')")
    out = tmp_path_factory.mktemp("site")
    sphinx = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d", out / "doctrees", DOCS, out / "html"]
    done = subprocess.run(sphinx, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return out / "html"


def text_of(page: Path) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", page.read_text()))


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every command with its words, those of groups too."""
    if path:
        yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from commands(command.get_command(context, name), (*path, name))


@THOROUGH
def test_every_key_of_the_configuration_is_in_the_reference(site):
    page = (site / "configuration.html").read_text()
    for section in {key.section for key in all_keys()}:
        assert f"[{section}]" in page
    rows = re.findall(r'<tr class="row-\w+"><td><p><code[^>]*><span class="pre">(\w+)</span>', page)
    assert rows == [key.name for key in all_keys()]


@THOROUGH
def test_every_command_and_option_is_in_the_reference(site):
    anchors = set(re.findall(r'id="([\w-]+)"', (site / "commands.html").read_text()))
    found = list(commands(cli))
    assert len(found) > len(COMMANDS)
    for path, command in found:
        section = "-".join(("ddp-mlp", *path))
        options = [
            parameter for parameter in command.params if isinstance(parameter, click.Option) and not parameter.hidden
        ]
        wanted = {section, *(f"cmdoption-{section}-{option.opts[0].lstrip('-')}" for option in options)}
        assert sorted(wanted - anchors) == []


@THOROUGH
def test_every_public_name_is_in_the_reference(site):
    page = (site / "api.html").read_text()
    anchors = set(re.findall(r'id="(ddp_mlp\.[\w.]+)"', page))
    ends = {anchor.rpartition(".")[2] for anchor in anchors}
    assert sorted(set(ddp_mlp.__all__) - ends - {"__version__"}) == []
    assert "__version__" in text_of(site / "api.html")
    words = set(re.findall(r"\w+", text_of(site / "api.html")))
    for kind in (getattr(ddp_mlp, name) for name in ddp_mlp.__all__):
        if isinstance(kind, type) and not issubclass(kind, Exception):
            names = [*vars(kind), *getattr(kind, "__dataclass_fields__", ())]
            members = {name for name in names if not re.match(r"_|set_\w+_request$", name)}
            assert sorted(members - words) == []


@THOROUGH
def test_pages_ask_nothing_of_other_hosts(site):
    loading = re.compile(r"""<(?:script|img|iframe|source|link)\b[^>]*(?:src|href)=["']?(?:https?:)?//""")
    for page in site.rglob("*.html"):
        assert loading.search(page.read_text()) is None, page.name
    for sheet in site.rglob("*.css"):
        text = sheet.read_text()
        assert re.search(r"""(?:url\(|@import)\s*["']?(?:https?:)?//""", text) is None, sheet.name


def test_the_overview_of_commands_has_each():
    overview = (DOCS / "commands.md").read_text()
    assert [name for name in COMMANDS if f"`ddp-mlp {name}" not in overview] == []
