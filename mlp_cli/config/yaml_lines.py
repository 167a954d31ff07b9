"""YAML text to plain values, with the place of each.

Only mappings, lists and scalars are read; anchors, aliases, tags and merge keys are refused before a value is made of them. Scalars
follow YAML 1.2 with `1e-3` as a number: only true and false are booleans; `yes`, `010`, `1_000`, `1:30` and dates stay text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from functools import reduce
from operator import getitem
from typing import Any, NamedTuple

import yaml

from mlp_cli.config.resolved import show
from mlp_cli.text import one_line

MOST_VALUES = 10_000
MOST_LEVELS = 20

Path = tuple[int | str, ...]
"""The way from the root to a value: keys, and the numbers of a list's items."""
Known = Set[tuple[str, str]]

_NUMBER = re.compile(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_WORDS = {"~": None, "null": None, "true": True, "false": False, ".nan": float("nan")}
_WORDS |= {sign + ".inf": float(sign + "inf") for sign in ("", "+", "-")}
_SPECIAL = {case(word): value for word, value in _WORDS.items() for case in (str, str.capitalize, str.upper)} | {"": None}
_SURROGATE = re.compile("[\ud800-\udfff]")
_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")
_HINTS = (
    (r"'\\t' that cannot start", "a tab stands where YAML wants spaces; use spaces"),
    (r"that cannot start|an alias|an anchor|a tag", "a text cannot begin with any of *&!|>%@`; put the text in quotes"),
    (r"flow|found '[]}]'", "a bracket is not closed, or a comma is missing or out of place; write [a, b] or {a: 1, b: 2}"),
    (r"quoted scalar", "the quote is not closed, or \\ stands in double quotes; in single quotes \\ stands for itself"),
    (r"mapping values|expected ':'", "a colon is missing or out of place, or the line is indented too far; write key: value"),
    (r"<block end>|dedent|<document start>", "wrong indentation; the lines of one level begin in the same column"),
    (r"another document", "a second document begins here; a file holds one"),
)
"""What PyYAML finds wrong (a pattern), and words that say the fix."""


class Place(NamedTuple):
    """Where a value was written: a line of a file with the value's text, an override with its number, or neither."""

    line: int | None = None
    text: str = ""
    override: str | None = None
    number: int = 0


class Problem(NamedTuple):
    """One thing that is wrong: its place, what stands there ("epochs: -1"), and what should."""

    place: Place
    shown: str
    message: str


NOWHERE = Place()


@dataclass(frozen=True)
class Document:
    """A config as it was written, before it is checked.

    source: what messages call it. values: plain values; None where the text is refused. name: the run's, unless it has one.
    places: of values, by the way to them. problems: of the text, such as duplicate keys, and of overrides.
    """

    source: str
    values: Any
    name: str = "run"
    places: Mapping[Path, Place] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def place(self, path: Path) -> Place:
        """The place of a value, or of what holds it."""
        ways = (path[:length] for length in range(len(path), 0, -1))
        return next((self.places[way] for way in ways if way in self.places), NOWHERE)

    def value(self, path: Path) -> Any:
        """What stands at a path."""
        return reduce(getitem, path, self.values)

    def text(self, path: Path) -> str:
        """A value as it was written."""
        place, value = self.places.get(path, NOWHERE), self.value(path)
        return place.text if place.line and (place.text or value is None) else show(value)

    def problem(self, path: Path, message: str) -> Problem:
        """Shows a value of a file as "optimizer.beta_1: 2", an override as given; the message says the rest of the way."""
        place = self.place(path)
        if place.override is None:
            depth = next((number for number, part in enumerate(path) if isinstance(part, int)), len(path))
            shown = f"{'.'.join(map(str, path[:depth]))}: {self.text(path[:depth])}".rstrip()
        else:
            depth, shown = place.override.partition("=")[0].count(".") + 1, place.override
        rest = [f"item {part + 1}" if isinstance(part, int) else one_line(part, 40) for part in path[depth:]]
        return Problem(place, shown, f"{', '.join(rest)}: {message}" if rest else message)


def scalar(text: str) -> bool | int | float | str | None:
    """The value of an unquoted scalar."""
    if text in _SPECIAL or not _NUMBER.fullmatch(text):
        return _SPECIAL.get(text, text)
    return int(text) if len(text) < 100 and text.lstrip("+-").isdecimal() else float(text)


def read(text: str, source: str = "", name: str = "run", known: Callable[[], Known] = set) -> Document:
    """Reads a YAML text of one document. known: gives the keys there are, with what each belongs under, for what is said of a
    line that is indented too far."""
    lines, notes, places = _BREAK.split(text), list[tuple[int, str]](), dict[Path, Place]()
    values = None
    try:
        composer = _Composer(text, notes, places)
        node = composer.get_single_node()
        values = None if node is None else composer.value(node, (), node.start_mark.line)
    except yaml.reader.ReaderError as error:
        code = error.character if isinstance(error.character, int) else ord(error.character)
        notes.append((len(_BREAK.findall(text[: error.position])), f"the character U+{code:04X} is not accepted; remove it"))
    except yaml.MarkedYAMLError as error:
        notes = notes or [_explained(error, lines, known())]
    except (ValueError, OverflowError):  # of \U escapes beyond the last character, which PyYAML lets through
        notes.append((next(number for number, line in enumerate(lines) if "\\U" in line), _HINTS[3][1]))
    problems = tuple(Problem(Place(line + 1), lines[line].strip(" "), message) for line, message in dict.fromkeys(notes))
    return Document(source, values, name, places, problems)


class _Composer(yaml.BaseLoader):
    """PyYAML's composer, which notes what is refused (line, from 0, and message), and where each value stands.

    A refused mark is left out of the nodes.
    """

    def __init__(self, text: str, notes: list[tuple[int, str]], places: dict[Path, Place]) -> None:
        super().__init__(text)
        self.text, self.notes, self.places, self.level, self.count = text, notes, places, 0, 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()
        anchor, tag, value = (getattr(event, name, None) or "" for name in ("anchor", "tag", "value"))
        self.count += 1
        is_alias, name = isinstance(event, yaml.AliasEvent), one_line(anchor, 20)
        is_large = self.level > MOST_LEVELS or self.count > MOST_VALUES
        refused = {
            f"an alias (*{name}) is not accepted; write the value out": is_alias,
            f"an anchor (&{name}) is not accepted; remove it": anchor and not is_alias,
            "a tag (text that begins with !) is not accepted; remove it, or put the text in quotes": tag,
            "a merge key (<<) is not accepted; write the keys out": value == "<<" and event.style is None,
            "half of a surrogate pair (\\ud800 … \\udfff) is not a character; remove it": _SURROGATE.search(value),
            f"more than {MOST_LEVELS} levels or {MOST_VALUES:,} values; a config has fewer than a hundred": is_large,
        }
        self.notes += [(event.start_mark.line, message) for message, so in refused.items() if so]
        if is_large:
            raise yaml.MarkedYAMLError
        if is_alias:
            self.get_event()
            return yaml.ScalarNode("", "", event.start_mark, event.end_mark)
        event.anchor = event.tag = None
        self.level += 1
        node = super().compose_node(parent, index)
        self.level -= 1
        return node

    def value(self, node: Any, path: Path, line: int) -> Any:
        """A node's plain value. line: its own, or that of its key."""
        start, end = node.start_mark, node.end_mark
        block = isinstance(node, yaml.CollectionNode) and not node.flow_style
        self.places[path] = Place(line + 1, "" if block else " ".join(self.text[start.index : end.index].split()))
        if isinstance(node, yaml.ScalarNode):
            return scalar(node.value) if node.style is None else node.value
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, number), item.start_mark.line) for number, item in enumerate(node.value)]
        found: dict[str, Any] = {}
        for key, item in node.value:
            line = key.start_mark.line
            if not isinstance(key, yaml.ScalarNode):
                self.notes.append((line, "a key must be a text, not a list or a mapping"))
            elif key.value in found:
                first = self.places[(*path, key.value)].line
                self.notes.append((line, f"duplicate key; {one_line(key.value, 40)} is on line {first} already"))
            else:
                found[key.value] = self.value(item, (*path, key.value), line)
        return found


def _explained(error: yaml.MarkedYAMLError, lines: list[str], known: Known) -> tuple[int, str]:
    """The line (from 0) to show for an error of PyYAML, and a message, with the fix where it is known."""
    found = f"{error.context or ''} {error.problem or ''}".strip()
    opening = re.search("flow|quoted|simple key", error.context or "")
    mark: Any = (error.context_mark if opening else None) or error.problem_mark
    line = min(mark.line, len(lines) - 1)
    while line > 0 and not lines[line].strip():  # the end of the file, or of what stands before it
        line -= 1
    if told := _below_a_value(lines[:line], lines[line], known):
        return line, told
    return line, next((hint for pattern, hint in _HINTS if re.search(pattern, found)), f"not valid YAML: {found}")


def _below_a_value(above: list[str], line: str, known: Known) -> str | None:
    """What to write where an option is indented below a key that has a value already, which no block may follow."""
    last = next((text for text in reversed(above) if text.partition("#")[0].strip()), "")
    owner = re.fullmatch(r"( *)(\w+): +([^\s#].*?)\s*( #.*)?", last)
    option = re.fullmatch(r"( +)(\w+):(?: +([^\s#].*?))?\s*( #.*)?", line)
    if not owner or not option or len(option[1]) <= len(owner[1]) or owner[2] == "name":
        return None
    _, key, text, _ = owner.groups()
    value = text if text[0] in "\"'" else scalar(text)
    if ("", option[2]) in known and (key, option[2]) not in known:
        return f"{option[2]} does not go below {key}; begin the line in the column of {key}"
    if not isinstance(value, str | None) or text[0] in "[{":
        return f"{key} has a value already, and no option goes below it; begin the line in the column of {key}"
    kind = "path" if key == "dataset" and re.search("[./]", text) else "name"
    named = f"{kind}: {text}, " if value is not None else ""
    return f"{key} has a value already; write {key}: {{{named}{option[2]}: {option[3] or '…'}}}"
