"""The config for people and editors: the JSON Schema as text, and a starter config that shows every key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic_core import PydanticUndefined

from mlp_cli.config.components import models_in
from mlp_cli.config.overrides import config_from_mapping
from mlp_cli.config.resolved import show
from mlp_cli.config.schema import Config
from mlp_cli.data import catalogue
from mlp_cli.registry import text_of
from mlp_cli.text import either


def schema_text() -> str:
    """The JSON Schema of a config as it is written, of draft 2020-12; `make schema` writes it to `SCHEMA_FILE`."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    own = {"title": "mlp config", "description": "A training run of mlp.", "required": ["dataset"]}
    return json.dumps(head | Config.model_json_schema() | own, indent=2, ensure_ascii=False) + "\n"


def starter(name: str) -> str:
    """The config that `mlp init` writes: every key with its default and a sentence, and options in comments below.

    Errors: UsageError for a name that cannot be a run's.
    """
    config = config_from_mapping({"name": name, "dataset": catalogue.names()[0]}, source="mlp init")
    rows = list(_rows(config.to_dict()))
    width = max(len(line) for line, _ in rows) + 2
    head = [
        "# yaml-language-server: $schema=mlp.schema.json",
        f"# Train it with: mlp train {name}.yaml",
        "# Only dataset is required. Options are set in a mapping, such as optimizer: {name: adam, beta_1: 0.8}",
    ]
    return "\n".join([*head, "", *(f"{line:{width}}# {text}".rstrip() for line, text in rows)]) + "\n"


def _rows(config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Lines and their comments. A key whose default follows from others is a comment itself, as options are."""
    for key, field in Config.model_fields.items():
        models, set_ = models_in(field.rebuild_annotation()), config["dataset"]
        default = field.default if field.default is not PydanticUndefined else set_["name"] if key == "dataset" else config[key]
        names = catalogue.names() if key == "dataset" else [name for name in models if name]
        text = text_of(field.rebuild_annotation()) + (f" One of {either(names)}." if names else "")
        yield f"{'# ' if field.default_factory else ''}{key}: {show(default)}", text
        model = models.get(str(default), models.get(""))
        for option, part in model.model_fields.items() if model else ():
            if option != "name" and not part.is_required() and (key != "dataset" or option in set_):
                value = set_[option] if key == "dataset" else part.default
                yield f"#   {option}: {show(value)}", text_of(part.rebuild_annotation())
