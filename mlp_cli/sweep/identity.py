"""A sweep's identity: what two sweeps must share to share a folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from mlp_cli.config import Document, config_from_mapping
from mlp_cli.config.resolved import canonical
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
    """The canonical form of the base without the swept keys.

    What is left need not be a whole config, since the data set may be swept: it is then taken as it was written. Members have
    hashes of their own, so that two bases taken for one here would share a folder and no run.
    """
    bare = without(base.values, [*swept, "seed"])
    with suppress(ConfigError):
        bare = config_from_mapping(bare).to_dict()
    return canonical(bare)


def without(config: dict[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """A copy of a config as it is written without some dotted keys."""
    for key in keys:
        first, dot, rest = key.partition(".")
        below = config.get(first)
        if dot and isinstance(below, dict):
            config = config | {first: without(below, [rest])}
        elif not dot:
            config = {other: value for other, value in config.items() if other != first}
    return config
