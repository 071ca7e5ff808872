"""What a service needs is said before anything is served."""

from __future__ import annotations

import sys

import pytest

from ddp_mlp.cli.commands.serve import _server
from ddp_mlp.errors import UsageError


def test_a_library_that_is_not_installed_is_a_mistake_as_with_other_extras(monkeypatch):
    monkeypatch.setitem(sys.modules, "ddp_mlp.service.web.server", None)
    web = pytest.importorskip("ddp_mlp.service.web")
    monkeypatch.delattr(web, "server", raising=False)
    with pytest.raises(UsageError, match=r"which is not installed; pip install 'ddp-mlp\[serve\]'"):
        _server()
