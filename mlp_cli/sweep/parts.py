"""A sampler or a pruner as a file or the command line names it, checked against its signature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError

from mlp_cli.config.block import listed, one_line
from mlp_cli.config.components import Choice, Component
from mlp_cli.config.values import wrong
from mlp_cli.registry import Registry, did_you_mean
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
    """Checks a name, or a mapping of a name and options. Errors: the config's own, with one message for all that is wrong."""
    if kind == "pruner" and (value is None or value is False or value == "none"):
        return Part(kind, "none", {})
    choice, adapter = _checks(kind)
    try:
        component = adapter.validate_python(value)
    except ValidationError as error:
        details: Any = error.errors(include_url=False, include_input=False)
        raise wrong("; ".join(_message(choice, detail) for detail in details)) from None
    return Part(kind, component.name, component.options())


class _OrNone(Choice):
    """A choice that may be none at all."""

    @property
    def known(self) -> str:
        return listed(["none", *self.models])


@cache
def _checks(kind: str) -> tuple[Choice, TypeAdapter[Any]]:
    choice = (_OrNone if "none" in names(kind) else Choice)(_REGISTRIES[kind])
    return choice, TypeAdapter(Annotated[Component, choice])


def _message(choice: Choice, detail: Any) -> str:
    if detail["type"] == "union_tag_invalid":
        return choice.unknown(str(detail["ctx"]["tag"]))
    where = [str(part) for part in detail["loc"][1:]]
    if detail["type"] == "extra_forbidden":
        known = [option for option in choice.models[str(detail["loc"][0])].model_fields if option != "name"]
        hint = did_you_mean(where[-1], known) or (f"; known: {listed(known)}" if known else "; it takes no options")
        return f"{one_line(where[-1], 40)}: unknown option{hint}"
    text = str(detail["ctx"]["message"]) if detail["type"] == "config" else str(detail["msg"])
    return f"{where[-1]}: {text}" if where else text
