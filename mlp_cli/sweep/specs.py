"""What stands behind KEY= in a sweep: one value, several with commas, evenly spaced points, or a distribution."""

from __future__ import annotations

import math
import re

from mlp_cli.config.yaml_lines import Place, Problem, read, scalar
from mlp_cli.registry import nearest
from mlp_cli.sweep.axes import Choices, Domain, Floats, Integers, rounded
from mlp_cli.text import one_line

MOST_POINTS = 10_000

FORMS = {
    "log": "log(first, last, count), such as log(1e-4, 1e-1, 7)",
    "lin": "lin(first, last, count), such as lin(0, 0.5, 6)",
    "loguniform": "loguniform(low, high), such as loguniform(1e-4, 1e-1)",
    "uniform": "uniform(low, high), such as uniform(0, 0.5)",
    "int": "int(low, high), such as int(1, 4)",
    "choice": "choice(a, b, c), such as choice(relu, tanh)",
}
"""How each function is written."""

_CALL = re.compile(r"([A-Za-z_][A-Za-z_0-9]*)\((.*)\)", re.DOTALL)
_OPENING, _CLOSING = "([{", ")]}"


class _Wrong(Exception):
    """A specification that cannot be read; its text is the message."""


def split(text: str) -> list[str]:
    """The parts between commas, but for commas inside brackets of any kind or quotes; spaces round them are dropped."""
    parts, start, depth, quote, fresh, skip = [], 0, 0, "", True, False
    for position, char in enumerate(text):
        if skip:
            skip = False
        elif quote:
            if char == "\\" and quote == '"':
                skip = True
            elif char == quote:
                quote = ""  # a doubled quote closes and opens again, which comes to the same
                fresh = text[position + 1 : position + 2] == char
        elif char in "'\"" and fresh:
            quote = char
        else:
            depth = max(depth + (char in _OPENING) - (char in _CLOSING), 0)
            if char == "," and depth == 0:
                parts.append(text[start:position].strip())
                start = position + 1
            fresh = char in ",:" or char in _OPENING or (fresh and char.isspace())
    return [*parts, text[start:].strip()]


def parse(text: str, shown: str, place: Place) -> Domain | list[Problem] | None:
    """The axis that `text` describes; None where it is one value; or what is wrong with it.

    shown, place: what a problem shows, and where it says it is.
    """
    parts = split(text)
    try:
        if len(parts) > 1 and "" in parts:
            raise _Wrong("a value is missing next to a comma")
        found = [_part(part) for part in parts]
    except _Wrong as error:
        return [Problem(place, shown, str(error))]
    if len(found) == 1:
        return None if isinstance(found[0], str) else found[0]
    values: list[str] = []
    for part, item in zip(parts, found, strict=True):
        if isinstance(item, Floats | Integers):
            return [Problem(place, shown, f"{one_line(part, 40)} is a distribution and must stand alone")]
        values += [item] if isinstance(item, str) else item.values
    return Choices(tuple(values))


def has_function(value: object) -> bool:
    """Whether a value is a list that has a function of ours for an item, or, since its commas part it, for several."""
    items = value if isinstance(value, list) else []
    return any(isinstance(item, str) and item.partition("(")[0] in FORMS and "(" in item for item in items)


def _part(text: str) -> Domain | str:
    """A function's domain, or the text of a plain value, checked to be YAML."""
    match = _CALL.fullmatch(text)
    if match and match[1] in FORMS:
        return _domain(match[1], split(match[2]) if match[2].strip() else [])
    reading = read(text)
    if match and (near := _nearest(match[1])):
        raise _Wrong(f"unknown function {one_line(match[1], 20)}; did you mean {FORMS[near]}?")
    if reading.problems:
        raise _Wrong(reading.problems[0].message)
    if has_function(reading.values):
        raise _Wrong(f"a function stands without brackets; write {text[1:-1]}")
    return text


def _nearest(name: str) -> str | None:
    """The function that is meant, by spelling or by its beginning (logspace)."""
    return nearest(name, FORMS) or next((known for known in ("lin", "log", "int") if name.lower().startswith(known)), None)


def _domain(name: str, arguments: list[str]) -> Domain:
    if name == "choice":
        if not arguments or "" in arguments:
            raise _Wrong(f"write {FORMS[name]}")
        values = [_part(argument) for argument in arguments]
        if not all(isinstance(value, str) for value in values):
            raise _Wrong("choice takes values, no other functions")
        return Choices(tuple(arguments))
    if len(arguments) != (3 if name in ("log", "lin") else 2):
        raise _Wrong(f"write {FORMS[name]}")
    numbers = [_number(argument, name) for argument in arguments]
    low, high = numbers[:2]
    if name.startswith("log") and min(low, high) <= 0:
        raise _Wrong(f"both ends of {name} must be greater than 0")
    if name in ("log", "lin"):
        return Choices(_points(name, low, high, numbers[2]))
    if not low < high:
        raise _Wrong(f"the first end of {name} must be less than the second")
    if name != "int":
        return Floats(float(low), float(high), name == "loguniform")
    if not (isinstance(low, int) and isinstance(high, int)):
        raise _Wrong("both ends of int must be whole numbers")
    return Integers(low, high)


def _number(text: str, name: str) -> int | float:
    value = scalar(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Wrong(f"{one_line(text, 20) or 'nothing'} is no number; write {FORMS[name]}")
    if abs(value) > 1e300 or not math.isfinite(value):
        raise _Wrong(f"{one_line(text, 20)} is too large")
    return value


def _points(name: str, first: float, last: float, count: int | float) -> tuple[str, ...]:
    """Evenly spaced points, in value or in logarithm, both ends among them."""
    if not isinstance(count, int) or not 2 <= count <= MOST_POINTS:
        raise _Wrong(f"the count of {name} must be a whole number from 2 to {MOST_POINTS:,}")
    if first == last:
        raise _Wrong(f"both ends of {name} are the same")
    shares = [index / (count - 1) for index in range(1, count - 1)]
    if name == "log":
        ratio = math.log(last) - math.log(first)
        between = [math.exp(math.log(first) + share * ratio) for share in shares]
    else:
        exact = [first + share * (last - first) for share in shares]
        size = max(abs(first), abs(last))
        between = [0.0 if abs(point) < 1e-12 * size else point for point in exact]  # not 3e-17 in place of zero
    return tuple(map(rounded, [first, *between, last]))
