"""Names for the members of a sweep, made of the swept keys' values: for folders, tables and people."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from mlp_cli.config import Config
from mlp_cli.config.resolved import canonical, flat, show

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


def swept_values(config: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """What a plain config has under some dotted keys, in their order, as short as a config can say it: a component as its name, or
    as a mapping of its name and the options that are set. A key that the config does not have is left out; an option that is
    among the keys stands there and nowhere else."""
    found, chosen = flat(config), canonical(config)
    values: dict[str, Any] = {}
    for key in keys:
        held = key.removesuffix(".name")
        options = {name.removeprefix(f"{held}."): value for name, value in chosen.items() if name.startswith(f"{held}.")}
        options = {name: value for name, value in options.items() if f"{held}.{name}" not in keys}
        if held in found and held == key and options:
            named = found[key] is not True and "path" not in options
            values[key] = ({"name": found[key]} if named else {}) | options
        elif held in found:
            values[key] = found[held]
    return values


def configuration_label(config: Config, keys: Sequence[str]) -> str:
    """The label of all members that differ in the seed alone, such as `optimizer-adam_learning_rate-0.001`; "" without keys.

    keys: the swept keys. At most 84 characters, so that the seed still fits; what would be lost for want of room, or for
    characters that no file name should have, comes back as a digest.
    """
    values = swept_values(config.to_dict(), ordered(keys))
    text = "_".join(f"{key}-{_text(value)}" for key, value in values.items())
    safe = _UNSAFE.sub("_", text)
    room = MOST - _SEED_ROOM
    if safe == text and len(text) <= room:
        return text
    exact = ";".join(f"{key}={show(value)}" for key, value in values.items())
    digest = hashlib.sha256(exact.encode()).hexdigest()[:_DIGEST]
    return f"{safe[: room - _DIGEST - 1]}-{digest}"


def member_label(configuration: str, seed: int) -> str:
    """The label of one member, such as `learning_rate-0.001_seed-0`."""
    return f"{configuration}_seed-{seed}" if configuration else f"seed-{seed}"


def _text(value: Any) -> str:
    """A value in a label, where no brackets may be: `0.001`, `300x100`, `relu-tanh`, `adam-beta_1-0.8`; `none` for an empty list."""
    if isinstance(value, list):
        numbers = all(isinstance(item, int | float) for item in value)
        return ("x" if numbers else "-").join(map(_text, value)) or "none"
    if isinstance(value, dict):
        parts = [_text(item) if key == "name" else f"{key}-{_text(item)}" for key, item in value.items()]
        return "-".join(parts)
    return value if isinstance(value, str) else show(value).replace(".0e", "e").replace("e+", "e")
