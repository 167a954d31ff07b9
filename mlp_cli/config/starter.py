"""The config for people and editors: the JSON Schema as text, and a starter config that shows every key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic_core import PydanticUndefined

from mlp_cli.config.components import models_in
from mlp_cli.config.dataset import Dataset
from mlp_cli.config.overrides import config_from_mapping
from mlp_cli.config.resolved import show
from mlp_cli.config.schema import Config
from mlp_cli.data import catalogue
from mlp_cli.registry import text_of
from mlp_cli.text import either

_AUGMENT = {"steps": [{"name": "rotation"}], "copies": 0, "choose": "all", "seed": 0}
_TABLE = {"path": "my_table.csv", "target": "price", "missing": "mean", "drop": ["id"], "test": 0.2}


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
    own_rows = list(_table_rows())
    width = max(len(line) for line, _ in (*rows, *own_rows) if not line.startswith("# augment"))
    head = [
        "# yaml-language-server: $schema=mlp.schema.json",
        f"# Train it with: mlp train {name}.yaml",
        "# Only dataset is required. All values are the defaults; remove a # to set what is behind it.",
    ]
    own = "# For a table of your own take these lines in place of dataset and loss above, and remove their #."
    blocks = ["\n".join(f"{line:{width}}  # {text}" for line, text in part) for part in (rows, own_rows)]
    return "\n".join([*head, "", blocks[0], "", own, blocks[1]]) + "\n"


def _rows(config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Lines and their comments. Options are comments below their key, and each can be set by taking its # away.

    A key whose default follows from others is a comment itself.
    """
    for key, field in Config.model_fields.items():
        models, set_ = models_in(field.rebuild_annotation()), config["dataset"]
        default = field.default if field.default is not PydanticUndefined else set_["name"] if key == "dataset" else config[key]
        names = catalogue.names() if key == "dataset" else [name for name in models if name]
        text, choice = text_of(field.rebuild_annotation()), f"One of {either(names)}." if names else ""
        model = models.get(str(default), models.get(""))
        options = [
            (f"  # {option}: {show(set_[option] if key == 'dataset' else part.default)}", text_of(part.rebuild_annotation()))
            for option, part in (model.model_fields.items() if model else ())
            if option != "name" and (key != "dataset" or option in set_)
        ]
        if key == "augment":  # steps are required, so no other option can stand alone
            yield f"# augment: {show(_AUGMENT)}", text
        elif not options:
            yield f"{'# ' if field.default_factory else ''}{key}: {show(default)}", f"{text} {choice}".rstrip()
        else:
            head = (f"{key}:", text if choice else f"{text} Off while empty.")
            yield from (head, *([(f"  name: {show(default)}", choice)] if choice else []), *options)


def _table_rows() -> Iterator[tuple[str, str]]:
    """The lines for a table of one's own, all of them comments."""
    yield "# dataset:", "The path and the columns are examples."
    for option, value in _TABLE.items():
        yield f"#   {option}: {show(value)}", text_of(Dataset.model_fields[option].rebuild_annotation())
    yield "# loss: mse", "For a quantity; classes need no such line."
