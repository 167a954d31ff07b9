"""A sweep's identity: what two sweeps must share to share a folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mlp_cli.config import Document, resolve, resolving
from mlp_cli.config.components import PerLayer
from mlp_cli.config.reading import Node
from mlp_cli.config.schema import Config
from mlp_cli.errors import ConfigError

FORMAT = 1
"""Raised when the identity's definition changes, so that an old folder is not taken for a new sweep's."""


def sweep_hash(
    base: Document, swept: Sequence[str], sampler: dict[str, Any], pruner: dict[str, Any] | None, metric: dict[str, Any] | None
) -> str:
    """SHA-256 (64 hex digits) over the base without the swept keys and the seed, the swept keys' names, the sampler with its
    options, the pruner with its options, and the metric; None for no pruner and for the task's own metric.

    Never over values, seeds, trials or workers: so a widened sweep finds its old members. base: fixed values applied.
    """
    identity = {
        "format": FORMAT,
        "base": _shared(base, swept),
        "swept": sorted(swept),
        "sampler": sampler,
        "pruner": pruner,
        "metric": metric,
    }
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _shared(base: Document, swept: Sequence[str]) -> dict[str, Any]:
    """The base without the swept keys, in its canonical form.

    What is left need not be a whole config: the data set may be swept. Each key is then put into its canonical form by itself,
    as far as it has one, else taken as it was written. Members have hashes of their own, so that two bases taken for one here
    would share a folder and no run.
    """
    dropped = [*swept, "seed", *resolving.NOT_HASHED]
    bare = without(base.root, dropped)
    canonical = _canonical(bare)
    if canonical is None:
        assert isinstance(bare.value, dict)
        canonical = {"format": resolving.FORMAT}
        for key, node in bare.value.items():
            canonical |= _alone(key, node)
    return _collapsed(without_paths(canonical, dropped))


def _alone(key: str, node: Node) -> dict[str, Any]:
    """A key's canonical form in a config that has nothing else: empty where it is at its default."""
    others = {"dataset": Node("mnist")}
    if _is_per_layer(key) and isinstance(node.value, list):
        others["hidden_sizes"] = Node([Node(1)] * len(node.value))
    canonical = _canonical(Node({**others, key: node}))
    if canonical is None:
        return {key: node.plain()}
    return {key: canonical[key]} if key in canonical else {}


def _canonical(root: Node) -> dict[str, Any] | None:
    """The canonical form of a config, None where it is none that is sound."""
    try:
        return resolve(Document("base", root, "base")).canonical()
    except ConfigError:
        return None


def without(node: Node, keys: Sequence[str]) -> Node:
    """A copy of a mapping without some dotted keys."""
    for key in keys:
        node = _without(node, key.split("."))
    return node


def _without(node: Node, parts: list[str]) -> Node:
    if not isinstance(node.value, dict) or parts[0] not in node.value:
        return node
    entries = dict(node.value)
    if len(parts) == 1:
        del entries[parts[0]]
    else:
        entries[parts[0]] = _without(entries[parts[0]], parts[1:])
    return replace(node, value=entries)


def without_paths(values: dict[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """A copy of plain values without some dotted keys, in every item where a list stands on the way."""
    for key in keys:
        values = _without_path(values, key.split("."))
    return values


def _without_path(value: Any, parts: list[str]) -> Any:
    if isinstance(value, list):
        return [_without_path(item, parts) for item in value]
    if not isinstance(value, dict) or parts[0] not in value:
        return value
    rest = {key: item for key, item in value.items() if key != parts[0]}
    if len(parts) == 1:
        return rest
    return {key: _without_path(item, parts[1:]) if key == parts[0] else item for key, item in value.items()}


def _collapsed(canonical: dict[str, Any]) -> dict[str, Any]:
    """One value in place of equal ones for each layer, as the number of layers may be swept."""
    return {key: value[:1] if _is_uniform(key, value) else value for key, value in canonical.items()}


def _is_uniform(key: str, value: Any) -> bool:
    return _is_per_layer(key) and isinstance(value, list) and all(item == value[0] for item in value)


def _is_per_layer(key: str) -> bool:
    field = Config.model_fields.get(key)
    return field is not None and any(isinstance(mark, PerLayer) for mark in field.metadata)
