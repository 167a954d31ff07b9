"""The config for people and editors: the JSON Schema as text, and a starter config that shows every key."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic_core import PydanticUndefined

from mlp_cli.config.components import Options, models_in
from mlp_cli.config.dataset import Dataset
from mlp_cli.config.overrides import config_from_mapping
from mlp_cli.config.resolved import show
from mlp_cli.config.schema import Config
from mlp_cli.data import catalogue
from mlp_cli.registry import text_of
from mlp_cli.text import either

_AUGMENT = {"steps": [{"name": "rotation"}], "copies": 0, "choose": "all", "seed": 0}
"""Shown on one line: steps are required, so no other option can stand without them."""
_TABLE = {
    "path": "my_table.csv",
    "target": "price",
    "missing": "mean",
    "drop": ["id"],
    "test": 0.2,
}
"""The options of a table that most people need, with examples."""

Rows = Iterator[tuple[str, str]]
"""Lines, and the comment at the end of each."""


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
    known, table = ("\n".join(f"{line:{width}}  # {text}" for line, text in part) for part in (rows, own_rows))
    return "\n".join([*head, "", known, "", own, table]) + "\n"


def _rows(config: dict[str, Any]) -> Rows:
    """Every key. Options are comments below theirs, and each can be set by taking its # away.

    A key whose default follows from others is a comment itself.
    """
    for key, field in Config.model_fields.items():
        annotation = field.rebuild_annotation()
        text, models = text_of(annotation), models_in(annotation)
        names = [name for name in models if name]
        default, own = field.default, None
        if key == "dataset":
            own, names = config[key], list(catalogue.names())
            default = own["name"]
        elif default is PydanticUndefined:
            default = config[key]
        choice = f"One of {either(names)}." if names else ""
        options = list(_options(models.get(str(default), models.get("")), own))
        if key == "augment":
            yield f"# augment: {show(_AUGMENT)}", f"{text} An example; off by default."
        elif not options:
            mark = "# " if field.default_factory else ""
            yield f"{mark}{key}: {show(default)}", f"{text} {choice}".rstrip()
        elif choice:
            yield f"{key}:", text
            yield f"  name: {show(default)}", choice
            yield from options
        else:
            yield f"{key}:", f"{text} Off while empty."
            yield from options


def _options(model: type[Options] | None, values: Mapping[str, Any] | None) -> Rows:
    """A component's options. values: those to show, and no others; None shows the defaults."""
    for option, field in model.model_fields.items() if model else ():
        if option != "name" and (values is None or option in values):
            value = field.default if values is None else values[option]
            yield f"  # {option}: {show(value)}", text_of(field.rebuild_annotation())


def _table_rows() -> Rows:
    """The lines for a table of one's own, all of them comments."""
    yield "# dataset:", "The path and the columns are examples."
    for option, value in _TABLE.items():
        field = Dataset.model_fields[option]
        yield f"#   {option}: {show(value)}", text_of(field.rebuild_annotation())
    yield "# loss: mse", "For a quantity; classes need no such line."
