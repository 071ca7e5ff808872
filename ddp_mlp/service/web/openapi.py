"""The description of the interface as an OpenAPI document."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from ddp_mlp.service.settings import Settings


def document(settings: Settings) -> dict[str, Any]:
    """Return the OpenAPI document of a service."""
    del settings
    return {"openapi": "3.1.0", "info": {"title": "ddp-mlp", "version": version("ddp-mlp")}, "paths": {}}
