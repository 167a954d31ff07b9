"""Pydantic's errors to problems: each finds the place where its value was written, and words that say the fix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlp_cli.config.block import MOST_PROBLEMS, NOWHERE, Problem, listed, one_line
from mlp_cli.config.places import choice_of, chosen_names, unknown_key
from mlp_cli.config.reading import Node, Refused
from mlp_cli.data import catalogue

Path = tuple[int | str, ...]
Step = tuple[int | str, Node]


def translate(errors: Sequence[Any], root: Node) -> list[Problem]:
    """One problem for each error (`ValidationError.errors()`), sorted, but for those that a refused value would repeat.

    root: the node that was checked. Only as many get a message as a block shows; looking for near names takes time.
    """
    chosen = chosen_names(root)
    located = [(error, _steps(error, root)) for error in errors]
    located = [(error, steps) for error, steps in located if not _repeats(error, steps, root)]
    located.sort(key=lambda pair: _place(pair[1]).order)
    return [
        _problem(error, steps, chosen) if number < MOST_PROBLEMS else Problem(_place(steps), "", "")
        for number, (error, steps) in enumerate(located)
    ]


def _steps(error: Any, root: Node) -> list[Step]:
    """The way from the root to the value that the error is about, as far as it was written."""
    path: Path = error["loc"]
    layer = 2 if len(path) > 1 and isinstance(path[1], int) else 1
    if path and choice_of(str(path[0])):  # below a component stands its name, which is no key
        path = path[:layer] + path[layer + 1 :]
    if error["type"] == "union_tag_invalid":
        path = (*path, "name")
    steps: list[Step] = []
    node = root
    for part in path:
        if isinstance(node.value, dict) and part in node.value:
            node = node.value[str(part)]
        elif isinstance(node.value, list) and isinstance(part, int):
            node = node.value[part]
        else:
            continue  # a single value where a list may stand, or a key that is missing
        steps.append((part, node))
    return steps


def _place(steps: list[Step]) -> Any:
    return steps[-1][1].place if steps else NOWHERE


def _repeats(error: Any, steps: list[Step], root: Node) -> bool:
    """Whether the error comes of a value that was refused while reading, and reported then."""
    if not steps:
        return isinstance(root.value, dict) and "<<" in root.value
    return _holds_refused(steps[-1][1])


def _holds_refused(node: Node) -> bool:
    items = node.value.values() if isinstance(node.value, dict) else node.value if isinstance(node.value, list) else ()
    return isinstance(node.value, Refused) or any(map(_holds_refused, items))


def _problem(error: Any, steps: list[Step], chosen: dict[str, str | None]) -> Problem:
    """Shows a value of the file as "optimizer.beta_1: 2", an override as given; the rest of the way goes into the message."""
    message = _message(error, steps, chosen)
    if not steps:
        return Problem(NOWHERE, ".".join(map(str, error["loc"])), message)
    place, path = _place(steps), [part for part, _ in steps]
    if place.override is not None:
        depth = place.override.partition("=")[0].count(".") + 1
        shown = place.override
    else:
        depth = next((number for number, part in enumerate(path) if isinstance(part, int)), len(path))
        shown = f"{'.'.join(map(str, path[:depth]))}: {steps[depth - 1][1].source()}".rstrip()
    rest = [f"item {part + 1}" if isinstance(part, int) else one_line(part, 40) for part in path[depth:]]
    return Problem(place, shown, f"{', '.join(rest)}: {message}" if rest else message)


def _message(error: Any, steps: list[Step], chosen: dict[str, str | None]) -> str:
    path, kind = error["loc"], error["type"]
    if kind == "config":
        return str(error["ctx"]["message"])
    if kind == "extra_forbidden":
        node = steps[-1][1]
        section = str(path[0]) if len(path) > 1 else None
        member = str(path[-2]) if section and choice_of(section) else None
        style = ":" if node.place.override is None else "="
        return unknown_key(str(path[-1]), section, member, one_line(node.source(), 40), chosen, style)
    choice = choice_of(str(path[0])) if path else None
    if kind == "union_tag_invalid" and choice:
        return choice.unknown(str(error["ctx"]["tag"]))
    if kind == "missing" and path == ("dataset",):
        return f"is required; write dataset: {catalogue.names()[0]}, for one (known: {listed(catalogue.names())})"
    if kind == "missing":
        return f"has no {path[-1]}, which is required"
    return str(error["msg"])
