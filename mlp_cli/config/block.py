"""A problem of a config, and the block of text that lists them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlp_cli.errors import ConfigError

MOST_PROBLEMS = 50
"""A block lists this many problems at most; a hostile file could hold tens of thousands."""


@dataclass(frozen=True)
class Place:
    """Where a value was written: a line of the file, an override (with its text and its number), or neither."""

    line: int | None = None
    override: str | None = None
    number: int = 0

    @property
    def label(self) -> str:
        """The first column of the block."""
        if self.override is not None:
            return "override"
        return "" if self.line is None else f"line {self.line}"

    @property
    def order(self) -> tuple[int, int]:
        """What problems are sorted by: those without a place, then the lines, then the overrides as they were given."""
        if self.override is not None:
            return 2, self.number
        return (0, 0) if self.line is None else (1, self.line)


NOWHERE = Place()


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: its place, what stands there ("epochs: -1"), and what should."""

    place: Place
    shown: str
    message: str


def one_line(text: str, limit: int = 60) -> str:
    """`text` on one line of at most `limit` characters, with everything escaped that a terminal could act on."""
    short = text[: limit + 1]
    safe = "".join(char if char.isprintable() else _escaped(char) for char in short)
    return safe if len(safe) <= limit else safe[: limit - 1] + "…"


def _escaped(char: str) -> str:
    return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(char) or ascii(char)[1:-1]


def listed(names: Sequence[str], most: int = 30) -> str:
    """ "a, b, c", cut after `most` names."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def either(names: Sequence[str]) -> str:
    """ "a, b or c"."""
    return " or ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def config_error(source: str, problems: Sequence[Problem]) -> ConfigError:
    """The error that lists all problems in columns, sorted by line, overrides last.

    source: the file's path as the user gave it, or what stands in for it.
    """
    count = len(problems)
    shown = sorted(problems, key=lambda problem: problem.place.order)[:MOST_PROBLEMS]
    rows = [(problem.place.label, one_line(problem.shown), problem.message) for problem in shown]
    first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
    lines = [f"{one_line(source, 200)}: {count} problem{'s' if count > 1 else ''}"]
    for label, text, message in rows:
        columns = (label.ljust(first + 3) if first else "") + (text.ljust(second + 4) if second else "")
        lines.append(f"  {columns}{message}".rstrip())
    if count > MOST_PROBLEMS:
        lines.append(f"  and {count - MOST_PROBLEMS:,} more")
    return ConfigError("\n".join(lines))
