"""The one algebra of configs by dotted key: defaults, canonical form, hash, what differs, and the one notation of values.

All of it works on plain mappings: what `Config.to_dict` gives, the `config` of a run.json of any version, or a config as it is
written. schema.json says which keys there are, `schema.FOLLOWS` which defaults follow from other keys. Nothing heavy is imported.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from mlp_cli.errors import MlpError

SCHEMA_FILE = Path(__file__).parent.parent / "schema.json"

FORMAT = 3
"""Raised when a default changes its meaning, so that old runs are not taken for new ones."""

NOT_HASHED = ("name", "checkpoint_every", "log_to")
"""Keys that never change a run's bytes."""

UNSEEDED = ("last", "official", "time", "vu", "ece421", "ece421_handout")
"""Splits that draw nothing by `dataset.split_seed`."""

_MISSING: Any = object()
_DEEPEST = 20
_PLAIN = re.compile(r"(?!(?i:y|n|yes|no|on|off|true|false|null)\Z)([A-Za-z_/]|\.{1,2}/)[A-Za-z0-9_./-]*")


class _Key(NamedTuple):
    """What schema.json says of a top-level key.

    default: _MISSING where it has none. per_layer: whether it may be a list with one value for each hidden layer. many: whether it is
    a list of components.
    options: the defaults of its options by component; by None where there is no choice of a component, as in `dataset` and `batch_norm`.
    """

    default: Any = _MISSING
    per_layer: bool = False
    many: bool = False
    options: Mapping[str | None, Mapping[str, Any]] = {}

    def options_of(self, component: Mapping[str, Any]) -> Mapping[str, Any]:
        return self.options.get(str(component.get("name")), self.options.get(None, {}))


@cache
def _keys() -> dict[str, _Key]:
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))

    def mappings(node: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The mappings that a node of the schema accepts: the nodes of their keys."""
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rpartition("/")[2]]
        if "properties" in node:
            yield node["properties"]
        items = [node["items"]] if "items" in node else []
        for item in (*node.get("anyOf", ()), *node.get("oneOf", ()), *items):
            yield from mappings(item)

    found: dict[str, _Key] = {}
    for key, node in schema["properties"].items():
        shapes = [(each.get("name", {}).get("const"), each) for each in mappings(node)]
        options = {name: {key: each["default"] for key, each in shape.items() if "default" in each} for name, shape in shapes}
        values = node.get("anyOf", ())
        per_layer = any(item.get("items", _MISSING) in values for item in values)
        many = node.get("type") == "array" and bool(options)
        found[key] = _Key(node.get("default", _MISSING), per_layer, many, options)
    return found


def flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config by dotted key, keys that are left out at their defaults: `optimizer: adam`, `optimizer.beta_1: 0.9`.

    A component's name (or a data set's path, or its SHA-256 where that is given) stands under its own key, the options below.
    What is off is None, a part that is on and has no name is True; an option exists only where its part is on. One value stands
    for equal ones of all hidden layers; a list has names, or mappings of a name and the options that are set. Keys that cannot
    change a run's bytes are left out: those of hidden layers where there are none, a split's seed by which nothing is drawn.
    Errors: ValueError for no config.
    """
    return _resolve(config)[0]


def _resolve(config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The flat form, the static defaults of its keys and of those left out of it, and the config with names as mappings."""
    keys = _keys()
    whole = {key: config.get(key, known.default) for key, known in keys.items()} | dict(config)
    found, usual = dict[str, Any](), dict[str, Any]()
    for key, value in whole.items():
        known = keys.get(key) or _Key()
        value = [value] if known.many and isinstance(value, str | dict) else value
        if (known.per_layer or known.many) and isinstance(value, list):
            value = [_short(item, known) if isinstance(item, dict) else item for item in value]
            value = value[0] if known.per_layer and value and value.count(value[0]) == len(value) else value
        if isinstance(value, str) and known.options:
            whole[key] = value = {"name": value}
        elif isinstance(value, bool) and None in known.options:
            value = {} if value else None
        if value is not _MISSING:
            _add(found, usual, key, value, known)
    bare = found.get("hidden_sizes") == []
    idle = {key for key, known in keys.items() if bare and (known.per_layer or key in ("batch_norm", "layer_norm"))}
    if found.get("dataset.split") in UNSEEDED and found.get("dataset.limit") is None:
        idle.add("dataset.split_seed")
    return {key: value for key, value in found.items() if not idle or not idle & {key, key.partition(".")[0]}}, usual, whole


def _add(found: dict[str, Any], usual: dict[str, Any], key: str, value: Any, known: _Key) -> None:
    """Adds what stands under a key and below it, and its default."""
    usual[key] = known.default
    if not isinstance(value, dict):
        found[key] = as_written(value)
        return
    if key.count(".") > _DEEPEST:
        raise ValueError(f"the config's {key} is nested too deeply")
    pinned = value.get("sha256") if key == "dataset" else None
    found[key] = value.get("name") or pinned or value.get("path") or True
    defaults = known.options_of(value)
    for option, item in {**defaults, **value}.items():
        if isinstance(item, list):
            item = [_short(each, known) if isinstance(each, dict) else each for each in item]
        told = option == "name" or (pinned and option in ("path", "sha256")) or (option == "path" and item is None)
        if not told:
            _add(found, usual, f"{key}.{option}", item, _Key(defaults.get(option, _MISSING)))


def _short(item: Mapping[str, Any], known: _Key) -> Any:
    """A component as short as it can be written: its name, or a mapping of its name and the options that are set."""
    defaults = known.options_of(item)
    kept = {option: value for option, value in item.items() if not _equal(value, defaults.get(option, _MISSING))}
    return kept["name"] if list(kept) == ["name"] else kept


def as_written(value: Any) -> Any:
    """A value with numbers as a person writes them, all through: 1, not 1.0."""
    if isinstance(value, dict):
        return {key: as_written(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_written(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else value


def _equal(one: Any, other: Any) -> bool:
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _followed(key: str, whole: Mapping[str, Any]) -> Any:
    """The default that follows from other keys; _MISSING where none does, or where this version cannot tell."""
    from mlp_cli.config.schema import FOLLOWS  # heavy, and not needed to list runs

    try:
        return FOLLOWS[key](whole)
    except (LookupError, AttributeError, TypeError, ValueError, MlpError):
        return _MISSING  # by a name of another version, or a key that is not there


def canonical(config: Mapping[str, Any]) -> dict[str, Any]:
    """What the hash is taken of: the format's number, and the flat form without `NOT_HASHED` and without what is at its default."""
    found, usual, whole = _resolve(config)
    kept = {key: value for key, value in found.items() if key not in NOT_HASHED and not _equal(value, usual[key])}
    return {"format": FORMAT} | {key: value for key, value in kept.items() if not _equal(value, _followed(key, whole))}


def config_hash(config: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical form as JSON with sorted keys and no spaces, in ASCII: 64 hex digits."""
    text = json.dumps(canonical(config), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def differing(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The dotted keys that configs were set apart in, in the order in which a config is written.

    An option counts only among configs with the same component. A key that the flat form leaves out, or that is `NOT_HASHED`,
    counts nowhere. A default that follows from other keys is no difference: such a key counts where a config has another value.
    """
    resolved = [_resolve(config) for config in configs]
    places = {key: place for place, key in enumerate(_keys())}
    apart = list[str]()
    for key in {key for found, _, _ in resolved for key in found}.difference(NOT_HASHED):
        parent, rows = key.rpartition(".")[0], set()
        for found, usual, whole in resolved:
            if (key in found or key not in usual) and (not parent or found.get(parent) is not None):
                default = _followed(key, whole)
                value = found.get(key, default)
                rows.add((show(found.get(parent)), show(value), _equal(value, default)))
        if any(one[0] == other[0] and one[1] != other[1] and not one[2] for one in rows for other in rows):
            apart.append(key)
    return sorted(apart, key=lambda key: (places.get(key.partition(".")[0], len(places)), key))


def show(value: Any) -> str:
    """A value as YAML on one line, the same for every reader of YAML 1.1 or 1.2; floats read back exactly."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{show(key)}: {show(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(show, value)) + "]"
    if isinstance(value, float):
        text = re.sub(r"^(-?[0-9]+)e", r"\1.0e", repr(value))  # YAML 1.1 wants a point before an exponent
        return text.replace("inf", ".inf").replace("nan", ".nan")
    if not isinstance(value, str):
        return json.dumps(value) if value is None or isinstance(value, bool) else repr(value)
    if _PLAIN.fullmatch(value):
        return value
    escaped = (f"\\{char}" if char in '"\\' else char if char.isprintable() else f"\\U{ord(char):08x}" for char in value)
    return f'"{"".join(escaped)}"'
