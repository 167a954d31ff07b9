"""A recorded config as flat keys, so that configs can be compared key by key: `optimizer: adam`, `optimizer.beta_1: 0.9`.

Works on plain values, without the schema's models: a run of an older or a later version has other keys, and is compared all the
same. Defaults come from the generated JSON Schema: a key at its default is as good as one that is not there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

IGNORED = ("name", "checkpoint_every", "log_to")
"""Keys that never change a run's bytes."""

MISSING = object()
"""What `value_of` gives for a key that a config does not have."""

_MOST = 2_000
_DEEPEST = 8


def flatten(config: Mapping[str, Any]) -> dict[str, Any]:
    """The flat form of a recorded config, without keys that change nothing.

    A component's name (or a data set's path) stands under the component's own key, its options under dotted ones. One value
    stands for equal ones of all hidden layers. Errors: ValueError for what is no config.
    """
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if key not in IGNORED:
            _add(flat, key, _collapsed(key, value), 0)
    if len(flat) > _MOST:
        raise ValueError(f"the config has more than {_MOST:,} keys")
    return flat


def _add(flat: dict[str, Any], key: str, value: Any, depth: int) -> None:
    if not isinstance(value, dict) or not value:
        if value != [] or key == "hidden_sizes":
            flat[key] = value if value != {} else True
        return
    if depth > _DEEPEST or not all(isinstance(name, str) for name in value):
        raise ValueError(f"the config's {key} is nested too deeply")
    flat[key] = value.get("name") or value.get("path") or True
    for name, item in value.items():
        if name not in ("name", "path") or flat[key] is not item:
            _add(flat, f"{key}.{name}", item, depth + 1)


def _collapsed(key: str, value: Any) -> Any:
    per_layer = isinstance(value, list) and value and key in _per_layer()
    return value[0] if per_layer and all(item == value[0] for item in value) else value


def value_of(flat: Mapping[str, Any], key: str) -> Any:
    """What a flat config has under a key, its default where the key is left out, or MISSING where it has none."""
    if key in flat:
        return flat[key]
    parent, dot, option = key.rpartition(".")
    if not dot:
        return MISSING if _needs_layers(key, flat) else _defaults().get((key, None, ""), MISSING)
    return _defaults().get((parent, _name(flat, parent), option), MISSING)


def _needs_layers(key: str, flat: Mapping[str, Any]) -> bool:
    """Whether a key is one of hidden layers, and there are none."""
    return key in _per_layer() and flat.get("hidden_sizes") == []


def identity(flat: Mapping[str, Any], without: Sequence[str] = ()) -> str:
    """A text that is equal for configs which describe the same run, keys of `without` apart."""
    kept = {key: value for key, value in flat.items() if key not in without and not _is_default(flat, key, value)}
    return json.dumps(kept, sort_keys=True, default=str)


def differing(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The keys whose values differ, in the order in which a config is written.

    An option of a component differs where it does among configs with that component: the options that come and go with an
    optimizer do not count, nor do the keys that come and go with hidden layers.
    """
    order = {key: position for position, key in enumerate(_schema()["properties"])}
    keys = sorted({key for config in configs for key in config}, key=lambda key: (order.get(key.partition(".")[0], 99), key))
    return [key for key in keys if _differs(key, configs)]


def _differs(key: str, configs: Sequence[Mapping[str, Any]]) -> bool:
    found: dict[str, set[str]] = {}
    parent = key.rpartition(".")[0]
    for config in configs:
        value = value_of(config, key)
        if value is not MISSING or not (parent or _needs_layers(key, config)):
            name = json.dumps(config.get(parent), sort_keys=True, default=str) if parent else ""
            found.setdefault(name, set()).add("missing" if value is MISSING else json.dumps(value, sort_keys=True, default=str))
    return any(len(values) > 1 for values in found.values())


def _is_default(flat: Mapping[str, Any], key: str, value: Any) -> bool:
    parent, dot, option = key.rpartition(".")
    default = _defaults().get((parent, _name(flat, parent), option) if dot else (key, None, ""), MISSING)
    return bool(default == value) and isinstance(default, bool) == isinstance(value, bool)


def _name(flat: Mapping[str, Any], key: str) -> Any:
    name = flat.get(key)
    return name if isinstance(name, str) else None


@lru_cache(maxsize=1)
def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((Path(__file__).parent.parent / "schema.json").read_text(encoding="utf-8"))
    return schema


@lru_cache(maxsize=1)
def _per_layer() -> frozenset[str]:
    """The keys that are one value for all hidden layers, or a list with one for each."""
    properties = _schema()["properties"].items()
    return frozenset(key for key, node in properties if any(item.get("type") == "array" for item in node.get("anyOf", ())))


@lru_cache(maxsize=1)
def _defaults() -> dict[tuple[str, str | None, str], Any]:
    """Defaults by key, component and option: (`epochs`, None, ``), (`optimizer`, `adam`, `beta_1`)."""
    found: dict[tuple[str, str | None, str], Any] = {}
    for key, node in _schema()["properties"].items():
        if "default" in node:
            found[key, None, ""] = node["default"]
        for shape in _shapes(node):
            properties = shape["properties"]
            named = properties.get("name", {})
            names = [named["const"]] if "const" in named else named.get("enum", [None])
            for name in names if key != "dataset" else ():
                found.update({(key, name, option): item["default"] for option, item in properties.items() if "default" in item})
    return found


def _shapes(node: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The mappings that a schema's node accepts."""
    if "$ref" in node:
        return _shapes(_schema()["$defs"][node["$ref"].rpartition("/")[2]])
    if "properties" in node:
        return [dict(node)]
    return [shape for kind in ("anyOf", "oneOf") for item in node.get(kind, ()) for shape in _shapes(item)]
