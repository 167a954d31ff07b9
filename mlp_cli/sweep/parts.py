"""A sampler or a pruner as a file or the command line names it, checked against its signature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

from mlp_cli.config.components import Choice, Component
from mlp_cli.config.problems import check
from mlp_cli.errors import UsageError
from mlp_cli.registry import Registry
from mlp_cli.sweep.halving import pruners
from mlp_cli.sweep.samplers import samplers

_REGISTRIES: Mapping[str, Registry[Any]] = {"sampler": samplers, "pruner": pruners}


@dataclass(frozen=True)
class Part:
    """A component by its kind, name and options, every default filled in; the pruner `none` is no component."""

    kind: str
    name: str
    options: Mapping[str, Any]

    def build(self) -> Any:
        """The component; None for the pruner `none`."""
        return None if self.name == "none" else _REGISTRIES[self.kind].build(self.name, **self.options)

    def identity(self) -> dict[str, Any] | None:
        """What the sweep's hash takes of it."""
        return None if self.name == "none" else {"name": self.name, **self.options}


def names(kind: str) -> tuple[str, ...]:
    """The names that a kind has on the command line."""
    return (("none",) if kind == "pruner" else ()) + tuple(_REGISTRIES[kind])


def part_of(kind: str, value: Any) -> Part:
    """Checks a name, or a mapping of a name and options. Errors: UsageError with all that is wrong on one line."""
    if kind == "pruner" and (value is None or value is False or value == "none"):
        return Part(kind, "none", {})
    try:
        component = check(Annotated[Component, _choice(kind)], kind, value)
    except UsageError as error:
        none = "none, " if kind == "pruner" else ""
        raise UsageError(error.message.replace("(known: ", f"(known: {none}")) from None
    return Part(kind, component.name, component.options())


@cache
def _choice(kind: str) -> Choice:
    return Choice(_REGISTRIES[kind])
