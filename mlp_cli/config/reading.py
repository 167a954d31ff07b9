"""YAML text to values that remember where they were written.

Only plain YAML is read: mappings, lists and scalars. Anchors, aliases, merge keys and tags are refused from the library's
events, before any value is made of them. Scalars follow YAML 1.2 with `1e-3` as a number: only true and false are booleans;
`yes`, `on`, `010`, `1_000`, `1:30` and dates stay text, which a number's check then refuses with the right spelling.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from mlp_cli.config.block import NOWHERE, Place, Problem, one_line
from mlp_cli.config.syntax import explain

MOST_BYTES = 256 * 1024
MOST_VALUES = 10_000
MOST_LEVELS = 20

Scalar = bool | int | float | str | None

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,99})")
_FLOAT = re.compile(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_SPECIAL = {"": None, "~": None, "null": None, "true": True, "false": False, ".inf": float("inf"), "-.inf": -float("inf")}
_SPECIAL |= {"+.inf": float("inf"), ".nan": float("nan")}
_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")
_OTHER_ENCODINGS = {"UTF-32": (b"\xff\xfe\0\0", b"\0\0\xfe\xff"), "UTF-16": (b"\xff\xfe", b"\xfe\xff")}
"""Marks at the start of a file; that of UTF-16 begins one of UTF-32's, which therefore comes first."""
_CONFLICT = re.compile(r"(<{7}|>{7})( |$)")


class Refused:
    """Stands for a value that was refused while reading, so that no second problem is reported for it."""


@dataclass(frozen=True)
class Node:
    """A value as it was written.

    value: a scalar, a list of nodes, a mapping of key to node, or a `Refused`.
    text: a scalar's source, quotes included; "" for lists and mappings.
    """

    value: Scalar | list[Node] | dict[str, Node] | Refused
    place: Place = NOWHERE
    text: str = ""

    def plain(self) -> Any:
        """The value without places: scalars, lists and dictionaries."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        return [node.plain() for node in self.value] if isinstance(self.value, list) else self.value

    def source(self) -> str:
        """The value on one line, as YAML; not shortened."""
        if isinstance(self.value, dict):
            return "{" + ", ".join(f"{key}: {node.source() or 'null'}" for key, node in self.value.items()) + "}"
        if isinstance(self.value, list):
            return "[" + ", ".join(node.source() or "null" for node in self.value) + "]"
        # Line by line: a pattern for "spaces, line end, spaces" takes quadratic time on a long run of spaces.
        lines = self.text.split("\n")
        return self.text if len(lines) == 1 else " ".join(line for line in map(str.strip, lines) if line)

    def placed(self, place: Place) -> Node:
        """The same value with another place, all through."""
        value = self.value
        if isinstance(value, dict):
            value = {key: node.placed(place) for key, node in value.items()}
        elif isinstance(value, list):
            value = [node.placed(place) for node in value]
        return replace(self, value=value, place=place)


@dataclass
class Reading:
    """What came of a text: its root (None where it cannot be read to the end) and the problems met."""

    root: Node | None = None
    problems: list[Problem] = field(default_factory=list)


def scalar(text: str) -> Scalar:
    """The value of an unquoted scalar."""
    special = text if text in _SPECIAL else text.lower()
    if special in _SPECIAL and text in (special, special.capitalize(), special.upper()):
        return _SPECIAL[special]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def decode(content: bytes) -> Reading | str:
    """The text of a file's bytes, or a reading with the problem that they are not UTF-8. A byte order mark is dropped."""
    for name, marks in _OTHER_ENCODINGS.items():
        if content.startswith(marks):
            return Reading(problems=[Problem(NOWHERE, "", f"the file is {name}; save it as UTF-8")])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        start = error.start + (3 if content.startswith(b"\xef\xbb\xbf") else 0)
        line = content[start - len(content[:start].rpartition(b"\n")[2]) :].partition(b"\n")[0]
        message = f"not UTF-8: byte 0x{content[start]:02x} at position {start}; save the file as UTF-8"
        place = Place(line=content[:start].count(b"\n") + 1)
        return Reading(problems=[Problem(place, line.decode("utf-8", "backslashreplace").strip(), message)])


def read(text: str) -> Reading:
    """Reads a YAML text of at most one document. Problems of syntax end the reading; others are gathered."""
    return _Reader(text).read()


class _Stop(Exception):
    """The text cannot be read further; the problem is noted."""


class _Reader:
    """One pass over the library's events, which makes the nodes."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = _BREAK.split(text)
        self.result = Reading()
        self.values = 0

    def read(self) -> Reading:
        try:
            self._refuse_conflicts()
            self._read_document()
        except _Stop:
            self.result.root = None
        except yaml.reader.ReaderError as error:
            before = self.text[: error.position]
            code = ord(error.character) if isinstance(error.character, str) else error.character
            self._note(len(_BREAK.findall(before)), f"the character U+{code:04X} is not accepted; remove it")
            self.result.root = None
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            line, message = explain(error, self.lines)
            self._note(line, message)
            self.result.root = None
        return self.result

    def _note(self, line: int, message: str) -> None:
        shown = self.lines[line].strip(" ") if line < len(self.lines) else ""
        self.result.problems.append(Problem(Place(line=line + 1), shown, message))

    def _refuse_conflicts(self) -> None:
        for number, line in enumerate(self.lines):
            if _CONFLICT.match(line):
                self._note(number, "the mark of a merge conflict; keep one side and delete the marks")
        if self.result.problems:
            raise _Stop

    def _read_document(self) -> None:
        self.events = yaml.SafeLoader(self.text)
        try:
            self.events.get_event()  # the start of the stream
            if self.events.check_event(yaml.StreamEndEvent):
                self.result.root = Node(None)
                return
            self.events.get_event()  # the start of the document
            self.result.root = self._node(0)
            self.events.get_event()  # its end
            second = self.events.get_event()
            if not isinstance(second, yaml.StreamEndEvent):
                self._note(second.start_mark.line, "a second document begins here; a file holds one")
                raise _Stop
        finally:
            self.events.dispose()

    def _node(self, level: int) -> Node:
        """The node that begins with the next event."""
        event: Any = self.events.get_event()
        start, end = event.start_mark, event.end_mark
        line = start.line
        self.values += 1
        if self.values > MOST_VALUES:
            self._note(line, f"more than {MOST_VALUES:,} values; a config has fewer than a hundred")
            raise _Stop
        if level > MOST_LEVELS:
            self._note(line, f"nested deeper than {MOST_LEVELS} levels")
            raise _Stop
        if isinstance(event, yaml.AliasEvent):
            self._note(line, f"an alias (*{one_line(str(event.anchor), 20)}) is not accepted; write the value out")
            return Node(Refused(), Place(line=line + 1))
        self._refuse_extras(event, line)
        place = Place(line=line + 1)
        if isinstance(event, yaml.ScalarEvent):
            return Node(self._scalar(event), place, self.text[start.index : end.index].strip())
        if isinstance(event, yaml.SequenceStartEvent):
            items = []
            while not self.events.check_event(yaml.SequenceEndEvent):
                items.append(self._node(level + 1))
            self.events.get_event()
            return Node(items, place)
        return self._mapping(level, place)

    def _refuse_extras(self, event: Any, line: int) -> None:
        if event.anchor is not None:
            self._note(line, f"an anchor (&{one_line(event.anchor, 20)}) is not accepted; remove it")
        if event.tag is not None:
            self._note(line, "a tag (text that begins with !) is not accepted; remove it, or put the text in quotes")

    def _scalar(self, event: Any) -> Scalar | Refused:
        if not event.value.isascii() and any("\ud800" <= char <= "\udfff" for char in event.value):
            self._note(event.start_mark.line, "half of a surrogate pair (\\ud800 … \\udfff) is not a character; remove it")
            return Refused()
        return scalar(event.value) if event.style is None else event.value

    def _mapping(self, level: int, place: Place) -> Node:
        entries: dict[str, Node] = {}
        while not self.events.check_event(yaml.MappingEndEvent):
            mark: Any = self.events.peek_event().start_mark
            key = self._node(level + 1)
            value = self._node(level + 1)
            if isinstance(key.value, list | dict):
                self._note(mark.line, "a key must be a text, not a list or a mapping")
            elif isinstance(key.value, Refused):
                continue
            elif key.text == "<<":
                self._note(mark.line, "a merge key (<<) is not accepted; write the keys out")
                entries["<<"] = Node(Refused(), key.place)
            else:
                name = key.value if isinstance(key.value, str) else key.text
                if name in entries:
                    self._note(mark.line, f"duplicate key; {one_line(name, 40)} is on line {entries[name].place.line} already")
                else:
                    entries[name] = replace(value, place=key.place)
        self.events.get_event()
        return Node(entries, place)
