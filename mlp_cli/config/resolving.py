"""A config as plain values, as YAML, and as the canonical form that its hash is taken of.

These work on any model, field by field: a value equals its default where leaving it out would give it again. That holds for
defaults that follow from other keys too, and for options inside components.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import BaseModel, ValidationError

from mlp_cli.config.components import Switch
from mlp_cli.config.writing import flow

FORMAT = 1
"""Raised when a default changes its meaning, so that old runs are not taken for new ones."""

NOT_HASHED = ("name", "checkpoint_every")
"""Keys that never change a run's bytes."""


def plain(value: Any) -> Any:
    """Models as dictionaries and tuples as lists, all through, every default filled in."""
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if not isinstance(value, BaseModel):
        return value
    values = {key: (getattr(value, key), field.metadata) for key, field in type(value).model_fields.items()}
    return {
        key: _off(marks) if item is None else plain(item) for key, (item, marks) in values.items() if not _is_unused(value, key)
    }


def _off(marks: list[Any]) -> bool | None:
    """How the absence of a value is written."""
    return next((mark.off for mark in marks if isinstance(mark, Switch)), None)


def _is_unused(model: BaseModel, key: str) -> bool:
    """Whether `key` does not apply: that one of a dataset's name and path which is not used, and options of other sets."""
    always = getattr(model, "always_written", None)
    return always is not None and key not in always and getattr(model, key) is None


def canonical(config: BaseModel) -> dict[str, Any]:
    """The canonical form: names expanded, per-layer lists filled, defaults dropped, and the format's number."""
    kept = _without_defaults(config)
    return {"format": FORMAT} | {key: value for key, value in kept.items() if key not in NOT_HASHED}


def config_hash(config: BaseModel) -> str:
    """SHA-256 of the canonical form as JSON with sorted keys and no spaces, in ASCII."""
    text = json.dumps(canonical(config), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _without_defaults(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_without_defaults(item) for item in value]
    if not isinstance(value, BaseModel):
        return value
    written = plain(value)
    return {key: _without_defaults(getattr(value, key)) for key in written if not _is_default(value, written, key)}


def _is_default(model: BaseModel, written: dict[str, Any], key: str) -> bool:
    try:
        without = type(model).model_validate({other: value for other, value in written.items() if other != key})
    except ValidationError:  # required, or what is left does not fit without it
        return False
    return bool(getattr(without, key) == getattr(model, key))


def to_yaml(config: BaseModel) -> str:
    """One line a key, lists and mappings within the line."""
    return "".join(f"{key}: {flow(value)}\n" for key, value in plain(config).items())
