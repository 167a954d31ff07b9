"""The schema for people and editors: a JSON Schema, and a starter config that shows every key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from mlp_cli.config.block import either
from mlp_cli.config.components import Choice, FromOthers, ListOf, Options, PerLayer, Switch
from mlp_cli.config.dataset import Dataset
from mlp_cli.config.loading import config_from_mapping
from mlp_cli.config.places import choice_of
from mlp_cli.config.resolved import show
from mlp_cli.config.schema import Config
from mlp_cli.config.values import Checked, run_name
from mlp_cli.data import catalogue
from mlp_cli.errors import UsageError
from mlp_cli.files import write_text

SCHEMA_FILE = Path(__file__).parent.parent / "schema.json"


def json_schema() -> dict[str, Any]:
    """The config as it is written, as JSON Schema of draft 2020-12. Only `dataset` is required."""
    body = _object(Config) | {"required": ["dataset"], "description": "A training run of mlp."}
    choices = {key: choice for key in Config.model_fields if (choice := choice_of(key))}
    definitions = {key: _choice(choice) for key, choice in choices.items()}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "mlp config"} | body | {"$defs": definitions}


def schema_text() -> str:
    """The content of mlp_cli/schema.json."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def write_schema() -> None:
    """Writes mlp_cli/schema.json anew: `python -c "from mlp_cli.config.describing import write_schema; write_schema()"`."""
    write_text(SCHEMA_FILE, schema_text())


def _object(model: type[Options]) -> dict[str, Any]:
    return {
        "type": "object",
        "description": (model.__doc__ or "").partition("\n")[0],
        "properties": {key: _property(key, field) for key, field in model.model_fields.items()},
        "required": [key for key, field in model.model_fields.items() if field.is_required()],
        "additionalProperties": False,
    }


def _property(key: str, field: FieldInfo) -> dict[str, Any]:
    default = {} if field.is_required() or field.default is FromOthers else {"default": field.default}
    return _value(key, field) | {"description": field.description} | default


def _value(key: str, field: FieldInfo) -> dict[str, Any]:
    """What stands under a key, without description and default."""
    for mark in field.metadata:
        if isinstance(mark, Checked):
            return mark.schema
        if isinstance(mark, Choice):
            reference = {"$ref": f"#/$defs/{key}"}
            return {"anyOf": [reference, {"type": "null"}]} if mark.optional else reference
        if isinstance(mark, Switch):
            return {"anyOf": [{"enum": [True, False, None]}, _object(mark.model)]}
        if isinstance(mark, ListOf):
            return {"type": "array", "items": mark.item.schema}
        if isinstance(mark, PerLayer):
            item = {"$ref": f"#/$defs/{key}"} if mark.choice else get_args(mark.item)[1].schema
            return {"anyOf": [item, {"type": "array", "items": item}]}
    if field.annotation is Dataset:
        mapping = _object(Dataset) | {"oneOf": [{"required": ["name"]}, {"required": ["path"]}]}
        return {"anyOf": [{"enum": list(catalogue.names())}, mapping]}
    (name,) = get_args(field.annotation)  # a component's own name
    return {"const": name}


def _choice(choice: Choice) -> dict[str, Any]:
    return {"anyOf": [{"enum": list(choice.models)}, *map(_object, choice.models.values())]}


def starter(name: str) -> str:
    """The config that `mlp init` writes: every key with its default and a comment. Keys whose default follows from others are
    commented out. Errors: UsageError for a name that cannot be a run's."""
    try:
        run_name().check(name)
    except PydanticCustomError as error:
        raise UsageError(f"{name!r} cannot name a run: {error.message()}") from None
    whole = config_from_mapping({"name": name, "dataset": catalogue.names()[0]})
    rows = [(_line(key, field, whole), f"# {_comment(key, field)}") for key, field in Config.model_fields.items()]
    width = max(len(line) for line, _ in rows) + 2
    example = show(whole.to_dict()["optimizer"])
    head = [
        f"# Train it with: mlp train {name}.yaml",
        "# Only dataset is required. A component with options is a mapping, for instance",
        f"#   optimizer: {example}",
    ]
    return "\n".join([*head, "", *(line.ljust(width) + comment for line, comment in rows)]) + "\n"


def _line(key: str, field: FieldInfo, whole: Config) -> str:
    if field.is_required():
        value = getattr(whole, key)
        return f"{key}: {show(value.name if isinstance(value, Dataset) else value)}"
    if field.default is FromOthers:
        return f"# {key}: {show(getattr(whole, key))}"
    return f"{key}: {show(field.default)}"


def _comment(key: str, field: FieldInfo) -> str:
    choice = choice_of(key)
    known = list(choice.models) if choice else catalogue.names() if field.annotation is Dataset else ()
    return f"{field.description} ({either(known)})" if known else str(field.description)
