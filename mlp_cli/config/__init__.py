"""The config: reading YAML with lines, the schema made from the components' signatures, every problem at once."""

from mlp_cli.config.describing import json_schema, starter
from mlp_cli.config.loading import Document, config_from_mapping, load_config, read_document, resolve
from mlp_cli.config.schema import Config

__all__ = ["Config", "Document", "config_from_mapping", "json_schema", "load_config", "read_document", "resolve", "starter"]
