"""YAML text to plain values, with the place of each.

Only mappings, lists and scalars are read. Anchors, aliases, tags and merge keys are refused before any value is made of them.
Scalars follow YAML 1.2 with `1e-3` as a number: only true and false are booleans; `yes`, `on`, `010`, `1_000`, `1:30` and dates
stay text, which a number's check then refuses with the right spelling.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from mlp_cli.text import one_line

MOST_VALUES = 10_000
MOST_LEVELS = 20

Path = tuple[int | str, ...]
"""The way from the root to a value: keys, and the numbers of a list's items."""

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,99})")
_FLOAT = re.compile(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_SPECIAL = {"": None, "~": None, "null": None, "true": True, "false": False, ".nan": float("nan")}
_SPECIAL |= {sign + ".inf": float(sign + "inf") for sign in ("", "+", "-")}
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
"""What the YAML library finds wrong (a pattern), and words that say the fix."""


@dataclass(frozen=True)
class Place:
    """Where a value was written: a line of a file with the value's text, an override with its number, or neither."""

    line: int | None = None
    text: str = ""
    override: str | None = None
    number: int = 0


NOWHERE = Place()


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: its place, what stands there ("epochs: -1"), and what should."""

    place: Place
    shown: str
    message: str


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


def scalar(text: str) -> bool | int | float | str | None:
    """The value of an unquoted scalar."""
    special = text if text in _SPECIAL else text.lower()
    if special in _SPECIAL and text in (special, special.capitalize(), special.upper()):
        return _SPECIAL[special]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def read(text: str, source: str = "", name: str = "run") -> Document:
    """Reads a YAML text of one document."""
    lines = _BREAK.split(text)
    values, places = None, dict[Path, Place]()
    notes: list[tuple[int, str]] = []
    try:
        node = _Composer(text, notes).get_single_node()
        if node is not None and not notes:
            values = _value(node, (), text, places, notes)
    except yaml.MarkedYAMLError as error:
        notes = notes or [_explained(error, lines)]
    except yaml.reader.ReaderError as error:
        code = error.character if isinstance(error.character, int) else ord(error.character)
        line = len(_BREAK.findall(text[: error.position]))
        notes.append((line, f"the character U+{code:04X} is not accepted; remove it"))
    except (ValueError, OverflowError):  # the library's, for \U escapes beyond the last character
        line = next(number for number, line in enumerate(lines) if "\\U" in line)
        notes.append((line, _HINTS[3][1]))
    problems = tuple(Problem(Place(line + 1), lines[line].strip(" "), message) for line, message in notes)
    return Document(source, values, name, places, problems)


class _Composer(yaml.BaseLoader):
    """PyYAML's composer, which notes what is refused: line (from 0) and message."""

    def __init__(self, text: str, notes: list[tuple[int, str]]) -> None:
        super().__init__(text)
        self.notes = notes
        self.level = self.count = 0

    def get_event(self) -> Any:
        """The next event: a value, or the start or the end of a list or a mapping."""
        event: Any = super().get_event()
        line, anchor, value = event.start_mark.line, getattr(event, "anchor", None), getattr(event, "value", "")
        self.level += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        self.count += 1
        if self.level > MOST_LEVELS or self.count > MOST_VALUES:
            few = "a config has fewer than a hundred values"
            self.notes.append((line, f"more than {MOST_LEVELS} levels or {MOST_VALUES:,} values; {few}"))
            raise yaml.MarkedYAMLError
        if isinstance(event, yaml.AliasEvent):
            self.notes.append((line, f"an alias (*{one_line(anchor, 20)}) is not accepted; write the value out"))
        elif anchor is not None:
            self.notes.append((line, f"an anchor (&{one_line(anchor, 20)}) is not accepted; remove it"))
        if getattr(event, "tag", None) is not None:
            self.notes.append((line, "a tag (text that begins with !) is not accepted; remove it, or put the text in quotes"))
        if value == "<<" and event.style is None:
            self.notes.append((line, "a merge key (<<) is not accepted; write the keys out"))
        if not value.isascii() and re.search("[\ud800-\udfff]", value):
            self.notes.append((line, "half of a surrogate pair (\\ud800 … \\udfff) is not a character; remove it"))
        return event


def _value(node: Any, path: Path, text: str, places: dict[Path, Place], notes: list[tuple[int, str]]) -> Any:
    """A node's plain value. The places of the values in it are added to `places`, problems to `notes`."""
    start, end = node.start_mark, node.end_mark
    block = isinstance(node, yaml.CollectionNode) and not node.flow_style
    places[path] = Place(start.line + 1, "" if block else " ".join(text[start.index : end.index].split()))
    if isinstance(node, yaml.ScalarNode):
        return scalar(node.value) if node.style is None else node.value
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*path, number), text, places, notes) for number, item in enumerate(node.value)]
    found: dict[str, Any] = {}
    for key, item in node.value:
        line, way = key.start_mark.line, (*path, key.value)
        if not isinstance(key, yaml.ScalarNode):
            notes.append((line, "a key must be a text, not a list or a mapping"))
        elif key.value in found:
            notes.append((line, f"duplicate key; {one_line(key.value, 40)} is on line {places[way].line} already"))
        else:
            found[key.value] = _value(item, way, text, places, notes)
            places[way] = replace(places[way], line=line + 1)
    return found


def _explained(error: yaml.MarkedYAMLError, lines: list[str]) -> tuple[int, str]:
    """The line (from 0) to show for an error of the library, and a message, with the fix where it is known."""
    found = f"{error.context or ''} {error.problem or ''}".strip()
    opening = error.context_mark is not None and re.match(r".*(flow|quoted|simple key)", error.context or "")
    mark: Any = error.context_mark if opening else error.problem_mark
    line = min(mark.line, len(lines) - 1)
    while line > 0 and not lines[line].strip():  # the end of the file, or of what stands before it
        line -= 1
    return line, next((hint for pattern, hint in _HINTS if re.search(pattern, found)), f"not valid YAML: {found}")
