"""Where keys belong: an index of the schema, for messages about keys that stand in the wrong place."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cache
from typing import Any

from mlp_cli.config.block import either, listed, one_line
from mlp_cli.config.components import Choice, Options, PerLayer, Switch
from mlp_cli.config.reading import Node
from mlp_cli.config.schema import Config
from mlp_cli.registry import nearest

Section = dict[str | None, tuple[str, ...]]
"""The options of a key that takes some: by component name, or all under None where there is no choice of a component."""


def choice_of(key: str) -> Choice | None:
    """The mark of a top-level key whose value is a component, or one for each layer."""
    field = Config.model_fields.get(key)
    for mark in field.metadata if field else ():
        if isinstance(mark, Choice | PerLayer):
            return mark if isinstance(mark, Choice) else mark.choice
    return None


def model_of(key: str) -> type[Options] | None:
    """The model of a top-level key whose value is a mapping without a choice of a component."""
    field = Config.model_fields[key]
    found: Any = next((mark.model for mark in field.metadata if isinstance(mark, Switch)), field.annotation)
    return found if inspect.isclass(found) and issubclass(found, Options) else None


@cache
def sections() -> dict[str, Section]:
    """The options below each top-level key that takes some."""
    found: dict[str, Section] = {}
    for key in Config.model_fields:
        if choice := choice_of(key):
            found[key] = {name: _options(model) for name, model in choice.models.items()}
        elif model := model_of(key):
            found[key] = {None: _options(model)}
    return found


def _options(model: type[Options]) -> tuple[str, ...]:
    return tuple(model.model_fields)


def accepted(section: str | None, member: str | None = None) -> tuple[str, ...]:
    """The keys at one level: the top (None), or below a top-level key for one of its components."""
    return tuple(Config.model_fields) if section is None else sections()[section].get(member, ())


def owners(option: str) -> dict[str, list[str | None]]:
    """The top-level keys below which `option` may stand, each with the components that take it."""
    found = {
        key: [member for member, options in section.items() if option in options and option != "name"]
        for key, section in sections().items()
    }
    return {key: members for key, members in found.items() if members}


def near(word: str, names: tuple[str, ...]) -> str | None:
    """The nearest of `names`, by spelling or by initials (lr for learning_rate)."""
    if len(word) > 60:
        return None
    initials = {"".join(part[0] for part in name.split("_")): name for name in names if "_" in name}
    return nearest(word, names) or initials.get(word.lower())


def unknown_key(
    word: str, section: str | None, member: str | None, value: str, chosen: Mapping[str, str | None], style: str
) -> str:
    """The message for a key that its level does not have.

    section, member: the level (see `accepted`). value: the key's value as YAML. chosen: the name that the config has under
    each key that takes one. style: how to write a fix, ":" as in a file or "=" as in an override.
    """
    key = one_line(word, 40)
    if section is not None and word in Config.model_fields:
        fix = f"{key}: {value}" if style == ":" else f"{key}={value}"
        return f"unknown key; belongs at the top level; write {fix}"
    return "unknown key; " + (
        _other_member(word, section, member)
        or _right_section(key, section, value, chosen, style)
        or _component_as_key(word, section)
        or _nearest_key(word, section, member)
    )


def _right_section(word: str, section: str | None, value: str, chosen: Mapping[str, str | None], style: str) -> str | None:
    """ "belongs under …", for a key that another top-level key takes as an option."""
    found = {key: members for key, members in owners(word).items() if key != section}
    if not found:
        return None
    unfit = {key: members for key, members in found.items() if None not in members and chosen.get(key) not in members}
    named = [f"{key} (for {either([str(member) for member in unfit[key]])})" if key in unfit else key for key in found]
    if len(found) > 1 or unfit:
        return f"belongs under {either(named)}"
    (key,) = found
    name = f"name: {chosen[key]}, " if chosen.get(key) else ""
    return f"belongs under {key}; write " + (f"{key}: {{{name}{word}: {value}}}" if style == ":" else f"{key}.{word}={value}")


def _other_member(word: str, section: str | None, member: str | None) -> str | None:
    """The message for an option of another component of the same kind."""
    others = [str(other) for other in owners(word).get(section or "", ())]
    return f"{member} does not take it; {either(others)} does" if others else None


def _component_as_key(word: str, section: str | None) -> str | None:
    """The message for a component's name used as a key."""
    keys = [key for key, options in sections().items() if word in options]
    return f"write {keys[0]}: {word}" if keys and section is None else None


def _nearest_key(word: str, section: str | None, member: str | None) -> str:
    names = accepted(section, member)
    if match := near(word, names):
        return f"did you mean {match}?"
    if ":" in word:
        return "put a space after the colon"
    elsewhere = {
        option: key for key, options in sections().items() for taken in options.values() for option in taken if option != "name"
    }
    if section is None and (match := near(word, tuple(elsewhere))):
        return f"did you mean {match}, under {elsewhere[match]}?"
    options = [name for name in names if name != "name" or section is None]
    return f"known: {listed(options)}" if options else f"{member} takes no options"


def chosen_names(root: Node) -> dict[str, str | None]:
    """The name that a config has under each key that takes one, its default included; None where it is not clear."""
    found: dict[str, str | None] = {}
    for key in sections():
        default = Config.model_fields[key].default
        value = root.value[key].plain() if isinstance(root.value, dict) and key in root.value else default
        name = value.get("name") if isinstance(value, dict) else value
        found[key] = name if isinstance(name, str) else None
    return found
