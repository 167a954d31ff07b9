"""The conditions of --where, such as `learning_rate<0.01 and (optimizer=adam or not seed=0)`: a parser of their own, no code is
ever evaluated."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mlp_cli.config.resolved import flat, show
from mlp_cli.errors import UsageError
from mlp_cli.registry import did_you_mean
from mlp_cli.report.wording import plain

_TOKEN = re.compile(
    r"""\s*(?: (?P<op><=|>=|!=|==|=|<|>) | (?P<paren>[()]) | (?P<quoted>'[^']*'|"[^"]*") | (?P<list>\[[^\[\]]*\])
        | (?P<word>[^\s()<>=!'"\[\]]+) )""",
    re.VERBOSE,
)
_ORDERS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_NOTHING = ("null", "none", "false")
_LONGEST = 2_000
_DEEPEST = 50
_MOST_LISTED = 100

Row = Mapping[str, Any]
Test = Callable[[Row], bool]


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    position: int


@dataclass(frozen=True)
class Condition:
    """A parsed condition. columns: the names it compares, in order; test: whether a row, a mapping of columns, meets it."""

    text: str
    columns: tuple[str, ...]
    test: Test


def parse(text: str, known: Iterable[str]) -> Condition:
    """The condition that `text` states. known: the columns there are.

    Comparisons (`=`, `==`, `!=`, `<`, `<=`, `>`, `>=`) of a column with a value, joined by `and`, `or`, `not` and parentheses. A
    value is a number, a word, a list such as `[300, 100]`, or anything in quotes; `null`, `none` and `false`
    are what is off or nothing. Ordering compares
    numbers: a cell that is none never meets it. Errors: UsageError with the position, and the nearest column.
    """
    return _Parser(text, tuple(known)).parse()


class _Parser:
    def __init__(self, text: str, known: tuple[str, ...]) -> None:
        self.text, self.known = text, known
        self.columns: dict[str, None] = {}
        self.depth = 0
        if len(text) > _LONGEST:
            raise UsageError(f"--where: the condition is longer than {_LONGEST:,} characters")
        self.tokens = self._tokens()
        self.index = 0

    def _tokens(self) -> list[_Token]:
        found: list[_Token] = []
        position = 0
        end = len(self.text.rstrip())
        while position < end:
            match = _TOKEN.match(self.text, position)
            if match is None:
                start = position + len(self.text[position:]) - len(self.text[position:].lstrip())
                raise self._error(start, f"{self.text[start]!r} is not understood; put text that has it in quotes")
            kind = str(match.lastgroup)
            found.append(_Token(kind, match[kind], match.start(kind)))
            position = match.end()
        return [*found, _Token("end", "", end)]

    def _error(self, position: int, message: str) -> UsageError:
        shown = "".join(char if char.isprintable() else "?" for char in self.text)
        hint = f"{shown}\n{' ' * position}^\nfor example: --where 'learning_rate<0.01 and optimizer=adam'"
        return UsageError(f"--where, character {position + 1}: {message}", hint)

    @property
    def _listed(self) -> str:
        return plain(", ".join(self.known[:_MOST_LISTED]))

    def parse(self) -> Condition:
        if self._now.kind == "end":
            raise self._error(0, "there is no condition")
        test = self._either()
        if self._now.kind != "end":
            raise self._error(self._now.position, f"{self._now.text!r} is too much here; join conditions with and, or")
        return Condition(self.text, tuple(self.columns), test)

    @property
    def _now(self) -> _Token:
        return self.tokens[self.index]

    def _next(self) -> _Token:
        token = self._now
        self.index += token.kind != "end"
        return token

    def _is_word(self, word: str) -> bool:
        return self._now.kind == "word" and self._now.text.lower() == word

    def _either(self) -> Test:
        tests = [self._both()]
        while self._is_word("or"):
            self._next()
            tests.append(self._both())
        return tests[0] if len(tests) == 1 else lambda row: any(test(row) for test in tests)

    def _both(self) -> Test:
        tests = [self._one()]
        while self._is_word("and"):
            self._next()
            tests.append(self._one())
        return tests[0] if len(tests) == 1 else lambda row: all(test(row) for test in tests)

    def _one(self) -> Test:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self._error(self._now.position, "the parentheses are nested too deeply")
        try:
            if self._is_word("not"):
                self._next()
                inner = self._one()
                return lambda row: not inner(row)
            if self._now.text == "(" and self._now.kind == "paren":
                opened = self._next()
                test = self._either()
                if self._now.text != ")" or self._now.kind != "paren":
                    raise self._error(opened.position, "this parenthesis is never closed")
                self._next()
                return test
            return self._comparison()
        finally:
            self.depth -= 1

    def _comparison(self) -> Test:
        name = self._next()
        if name.kind not in ("word", "quoted"):
            raise self._error(name.position, f"a column is missing here (known: {self._listed})")
        column = name.text[1:-1] if name.kind == "quoted" else name.text
        if column not in self.known:
            hint = did_you_mean(column, self.known)
            raise self._error(name.position, f"unknown column {column!r}{hint} (known: {self._listed})")
        self.columns[column] = None
        sign = self._next()
        if sign.kind != "op":
            raise self._error(sign.position, f"a comparison is missing after {column}: one of = != < <= > >=")
        value = self._next()
        if value.kind not in ("word", "quoted", "list"):
            raise self._error(value.position, f"a value is missing after {column}{sign.text}")
        return self._compare(column, sign, value)

    def _compare(self, column: str, sign: _Token, value: _Token) -> Test:
        text = value.text[1:-1] if value.kind == "quoted" else value.text
        number = None if value.kind == "quoted" else _number(text)
        if sign.text in _ORDERS:
            if number is None:
                raise self._error(value.position, f"{sign.text} compares numbers, and {text!r} is none")
            order, limit = _ORDERS[sign.text], number
            return lambda row: (cell := _cell_number(row.get(column))) is not None and order(cell, limit)
        wanted = _plain(_listed(column, text) if value.kind == "list" else text)

        def equal(row: Row) -> bool:
            cell = row.get(column)
            if cell is None:
                return wanted.lower() in _NOTHING
            held = _cell_number(cell)
            return held == number if held is not None and number is not None else _plain(cell) == wanted

        return equal if sign.text in ("=", "==") else lambda row: not equal(row)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _cell_number(cell: Any) -> int | float | None:
    return cell if isinstance(cell, int | float) and not isinstance(cell, bool) else None


def _listed(column: str, text: str) -> Any:
    """A list as a config has it under a key; the text itself where it is no YAML."""
    from mlp_cli.config.yaml_lines import read

    document = read(text)
    return text if document.problems else flat({column: document.values}).get(column)


def _plain(value: Any) -> str:
    """A value as text without what does not matter: quotes, and how truth is written."""
    text = value if isinstance(value, str) else show(value).replace('"', "")
    return {"True": "true", "False": "false"}.get(text, text)
