"""Names for the members of a sweep, made of the swept keys' values: for folders, tables and people."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from mlp_cli.config import Config, resolving
from mlp_cli.config.components import PerLayer, Switch
from mlp_cli.config.writing import flow

MOST = 100
"""A run's name has at most this many characters."""

_SEED_ROOM = len("_seed-4294967295")
_DIGEST = 8
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def ordered(keys: Sequence[str]) -> tuple[str, ...]:
    """Keys in the order of the schema, whatever order they were given in, so that a label never depends on it."""
    fields = list(Config.model_fields)
    return tuple(sorted(keys, key=lambda key: (_index(fields, key.partition(".")[0]), key)))


def _index(fields: list[str], key: str) -> int:
    return fields.index(key) if key in fields else len(fields)


def value_of(config: Config, key: str) -> Any:
    """What a config has under a dotted key, as short as it can be said: a component as its name, or as a mapping of its name and
    the options that are not at their defaults; one value for all layers in place of a list of equal ones."""
    first, *rest = key.split(".")
    marks = Config.model_fields[first].metadata
    value = getattr(config, first)
    if isinstance(value, tuple) and any(isinstance(mark, PerLayer) for mark in marks) and len(set(map(repr, value))) == 1:
        value = value[0]
    for part in rest:
        value = getattr(value, part, None)
    if value is None and not rest and any(isinstance(mark, Switch) for mark in marks):
        return False
    return _short(value)


def _short(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_short(item) for item in value]
    if not isinstance(value, BaseModel):
        return value
    name = getattr(value, "name", None)
    options = {key: item for key, item in resolving.canonical(value).items() if key not in ("format", "name")}
    if name is None:
        return options or True
    return {"name": name} | options if options else name


def configuration_label(config: Config, keys: Sequence[str]) -> str:
    """The label of all members that differ in the seed alone, such as `optimizer-adam_learning_rate-0.001`; "" without keys.

    keys: the swept keys. At most 84 characters, so that the seed still fits; what would be lost for want of room, or for
    characters that no file name should have, comes back as a digest.
    """
    values = {key: value_of(config, key) for key in ordered(keys)}
    for key in values:  # an option that is swept by itself stands there and nowhere else
        parent, dot, option = key.rpartition(".")
        held = values.get(parent) if dot else None
        if isinstance(held, dict):
            rest = {name: value for name, value in held.items() if name != option}
            values[parent] = rest["name"] if set(rest) == {"name"} else rest or True
    text = "_".join(f"{key}-{_text(value)}" for key, value in values.items())
    safe = _UNSAFE.sub("_", text)
    room = MOST - _SEED_ROOM
    if safe == text and len(text) <= room:
        return text
    exact = ";".join(f"{key}={flow(value)}" for key, value in values.items())
    digest = hashlib.sha256(exact.encode()).hexdigest()[:_DIGEST]
    return f"{safe[: room - _DIGEST - 1]}-{digest}"


def member_label(configuration: str, seed: int) -> str:
    """The label of one member, such as `learning_rate-0.001_seed-0`."""
    return f"{configuration}_seed-{seed}" if configuration else f"seed-{seed}"


def _text(value: Any) -> str:
    """A value in a label: `0.001`, `300x100`, `relu-tanh`, `adam-beta_1-0.8`, `none` for nothing or an empty list."""
    if value is None or value == []:
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return repr(value).removesuffix(".0").replace("e+", "e")
    if isinstance(value, list):
        numbers = all(isinstance(item, int | float) for item in value)
        return ("x" if numbers else "-").join(map(_text, value))
    if isinstance(value, dict):
        parts = [_text(item) if key == "name" else f"{key}-{_text(item)}" for key, item in value.items()]
        return "-".join(parts)
    return str(value)
