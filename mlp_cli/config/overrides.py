"""KEY=VALUE: one dotted way to change a config, for the command line, sweeps and runs that go on.

A value is YAML. It replaces all that stood under its key, a component with its options included; a dotted key sets one option and
keeps the rest, so `optimizer.beta_1=0.8` turns `optimizer: adam` into a mapping. The last override of a key wins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mlp_cli.config.block import Place, Problem, one_line
from mlp_cli.config.places import accepted, choice_of, near, sections
from mlp_cli.config.reading import Node, read
from mlp_cli.config.schema import Config


@dataclass(frozen=True)
class Override:
    """An override taken apart: its key's parts, its value, and its place."""

    parts: tuple[str, ...]
    value: Node
    place: Place


def apply(root: Node, overrides: Sequence[str]) -> tuple[Node, list[Problem]]:
    """The mapping `root` with all overrides applied in order, and the problems of those that cannot be."""
    problems: list[Problem] = []
    for number, text in enumerate(overrides):
        place = Place(override=text, number=number)
        override = parse(text, place)
        if isinstance(override, Override):
            changed = _set(root, override)
            root, found = (changed, []) if isinstance(changed, Node) else (root, [changed])
        else:
            found = override
        problems += found
    return root, problems


def parse(text: str, place: Place) -> Override | list[Problem]:
    """Takes KEY=VALUE apart; or its problems."""
    key, equals, value = text.partition("=")
    parts = tuple(part.strip() for part in key.split("."))
    if not equals:
        return [Problem(place, text, _no_equals(text))]
    if not all(parts):
        return [Problem(place, text, "must be KEY=VALUE; a part of the key is empty")]
    reading = read(value)
    if reading.root is None or reading.problems:
        return [Problem(place, text, problem.message) for problem in reading.problems]
    return Override(parts, reading.root.placed(place), place)


def _no_equals(text: str) -> str:
    key, colon, value = text.partition(":")
    word = key.strip()
    first, dot, rest = word.partition(".")
    match = near(first, accepted(None))
    if match is None:
        return "must be KEY=VALUE, such as epochs=3"
    return f"must be KEY=VALUE; write {match}{dot}{one_line(rest, 40)}={one_line(value.strip(), 40) if colon else 'VALUE'}"


def _set(node: Node, override: Override, depth: int = 0) -> Node | Problem:
    """A copy of the mapping `node` in which the rest of the override's key has its value."""
    entries = dict(node.value) if isinstance(node.value, dict) else {}
    part, rest = override.parts[depth], override.parts[depth + 1 :]
    if not rest:
        entries[part] = override.value
        return replace(node, value=entries)
    below = entries.get(part)
    mapping = _expanded(part, below, override.place) if depth == 0 else below or Node({}, override.place)
    if mapping is None or not isinstance(mapping.value, dict):
        return Problem(override.place, str(override.place.override), _no_options(override.parts[: depth + 1], below))
    changed = _set(mapping, override, depth + 1)
    if isinstance(changed, Problem):
        return changed
    entries[part] = changed
    return replace(node, value=entries)


def _expanded(key: str, node: Node | None, place: Place) -> Node | None:
    """The mapping of options that a top-level key stands for; None where it has none, as a list has not."""
    if node is not None and isinstance(node.value, dict):
        return node
    if key not in sections():
        return None if key in Config.model_fields else Node({}, place)  # an unknown key is reported as such later
    written = Node(Config.model_fields[key].default, place) if node is None else node
    if isinstance(written.value, list):
        return None
    if isinstance(written.value, str) and (key == "dataset" or choice_of(key)):
        return Node({"name": replace(written, text=written.text or written.value)}, written.place)
    return Node({}, written.place)


def _no_options(parts: tuple[str, ...], node: Node | None) -> str:
    key = one_line(".".join(parts), 40)
    if node is not None and isinstance(node.value, list) and key in sections():
        return f"{key} is a list here; give the whole of it: {key}={one_line(node.source())}"
    return f"{key} takes no options; write {key}=VALUE"
