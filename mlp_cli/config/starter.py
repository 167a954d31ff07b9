"""The config for people and editors: the JSON Schema as text, and a starter config that shows every key."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic_core import PydanticUndefined

from mlp_cli.config.components import Options, models_in
from mlp_cli.config.overrides import config_from_mapping
from mlp_cli.config.resolved import show
from mlp_cli.config.schema import Config
from mlp_cli.data import catalogue
from mlp_cli.registry import text_of
from mlp_cli.text import either

_AUGMENT = {"steps": [{"name": "rotation"}], "copies": 0, "choose": "all", "seed": 0}
_TABLE = """\
# For a table of your own take these lines in place of dataset and loss above, and remove their #.
# dataset:
#   path: my_table.csv
#   target: price  # The column to predict.
#   missing: mean  # Fills gaps; drop leaves their rows out.
#   drop: [id]     # Columns to leave out.
#   test: 0.2      # Rows to set aside for testing.
# loss: mse        # For a quantity; classes need no such line.
"""


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
    width = max(len(line) for line, _ in rows if not line.startswith("# augment"))
    head = [
        "# yaml-language-server: $schema=mlp.schema.json",
        f"# Train it with: mlp train {name}.yaml",
        "# Only dataset is required. All values are the defaults; remove a # to set what is behind it.",
    ]
    return "\n".join([*head, "", *(f"{line:{width}}  # {text}" for line, text in rows), "", _TABLE])


def _rows(config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Lines and their comments. Options are comments, whose # can be removed one by one."""
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
        if key == "augment":  # steps are required, so no other option stands alone
            yield f"# augment: {show(_AUGMENT)}", f"{text} An example; off by default."
        elif not options:
            mark = "# " if field.default_factory else ""
            yield f"{mark}{key}: {show(default)}", f"{text} {choice}".rstrip()
        else:
            yield f"{key}:", text if choice else f"{text} Off while empty."
            if choice:
                yield f"  name: {show(default)}", choice
            yield from options


def _options(model: type[Options] | None, values: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    """A component's options. values: those to show; None shows all with their defaults."""
    for option, field in model.model_fields.items() if model else ():
        if option != "name" and (values is None or option in values):
            value = field.default if values is None else values[option]
            yield f"  # {option}: {show(value)}", text_of(field.rebuild_annotation())
