"""The config: reading YAML with lines, the schema made from the components' signatures, every problem at once."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlp_cli.config.overrides import config_from_mapping, load_config, read_document, resolve
    from mlp_cli.config.schema import Config
    from mlp_cli.config.yaml_lines import Document

__all__ = ["Config", "Document", "config_from_mapping", "load_config", "read_document", "resolve"]

_HOMES = {"Config": "schema", "Document": "yaml_lines"}


def __getattr__(name: str) -> Any:
    """Loads what is asked for when it is first asked for: listing runs needs `resolved` alone, and none of the models."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'overrides')}"), name)
