"""The conditions of --where, such as `learning_rate<0.01 and (optimizer=adam or not seed=0)`: a parser of their own, no code is
ever evaluated."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlp_cli.config.resolved import flat, show
from mlp_cli.errors import UsageError
from mlp_cli.registry import did_you_mean
from mlp_cli.report.model import RUN_COLUMNS, SUMMARY_PARTS, Run
from mlp_cli.report.wording import plain
from mlp_cli.text import is_percent

_TOKEN = re.compile(
    r"""\s*(?: (?P<op><=|>=|!=|==|=|<|>) | (?P<paren>[()]) | (?P<quoted>'[^']*'|"[^"]*") | (?P<list>\[[^\[\]]*\])
        | (?P<word>[^\s()<>=!'"\[\]]+) | (?P<other>\S) | (?P<end>\Z) )""",
    re.VERBOSE,
)
_ORDERS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_EXAMPLES = {
    "--where": "--where 'learning_rate<0.01 and optimizer=adam'",
    "--assert": "--assert 'lower(test_accuracy)>=0.97'",
}
_NOTHING = ("null", "none", "false")
_LONGEST = 2_000
_DEEPEST = 50
_MOST_LISTED = 300

Row = Mapping[str, Any]
Test = Callable[[Row], bool]


@dataclass(frozen=True)
class Condition:
    """A parsed condition. columns: the names it compares, in order; test: whether a row, a mapping of columns, meets it."""

    text: str
    columns: tuple[str, ...]
    test: Test


def parse(text: str, known: Iterable[str], option: str = "--where") -> Condition:
    """The condition that `text` states. known: the columns there are. option: what messages call it.

    Comparisons (`=`, `==`, `!=`, `<`, `<=`, `>`, `>=`) of a column with a value, joined by `and`, `or`, `not` and parentheses. A
    value is a number (an accuracy as a fraction, or with %), a word, a list such as `[300, 100]`, or anything in quotes; `null`,
    `none` and `false` are what is off or nothing. Ordering compares numbers: a cell that is none never meets it.
    Errors: UsageError with the position, and the nearest column.
    """
    if len(text) > _LONGEST:
        raise UsageError(f"{option}: the condition is longer than {_LONGEST:,} characters")
    parser = _Parser(text, tuple(known), option)
    test = parser.any_of()
    parser.take("end", f"{parser.text!r} is too much here; join conditions with and, or")
    return Condition(text, tuple(parser.columns), test)


def choose(runs: Sequence[Run], text: str) -> list[Run]:
    """The runs that meet a condition on their config, id, name, seed, status or own scores, for lists of runs. Errors: those of
    `parse`."""
    rows = [(run, run.metrics | run.columns) for run in runs]
    known = dict.fromkeys((*RUN_COLUMNS, *(name for _, row in rows for name in row)))
    condition = parse(text, known)
    return [run for run, row in rows if condition.test(row)]


class _Parser:
    """Recursive descent over `or`, `and`, `not`, parentheses and comparisons. tokens: those that are left, the next one last."""

    def __init__(self, whole: str, known: tuple[str, ...], option: str) -> None:
        self.whole, self.known, self.option = whole.rstrip(), known, option
        self.columns: dict[str, None] = {}
        self.tokens = list(_TOKEN.finditer(self.whole))[::-1]
        for token in self.tokens[::-1]:
            if token["other"]:
                raise self.error(token, f"{token['other']!r} is not understood; put text that has it in quotes")
        if not self.whole:
            raise self.error(self.tokens[-1], "there is no condition")

    @property
    def text(self) -> str:
        """The next token."""
        return self.tokens[-1][str(self.tokens[-1].lastgroup)]

    def take(self, kinds: str, message: str) -> re.Match[str]:
        """The next token, taken off unless it is the end. Errors: UsageError with the message where it is of another kind."""
        token = self.tokens[-1]
        if token.lastgroup not in kinds.split():
            raise self.error(token, message)
        return token if token.lastgroup == "end" else self.tokens.pop()

    def skip(self, word: str) -> bool:
        """Whether the next token is this word or parenthesis, which is then taken off."""
        found = self.tokens[-1].lastgroup in ("word", "paren") and self.text.lower() == word
        if found:
            self.tokens.pop()
        return found

    def error(self, token: re.Match[str], message: str) -> UsageError:
        position = token.start(str(token.lastgroup))
        shown = "".join(char if char.isprintable() else "?" for char in self.whole)
        hint = f"{shown}\n{' ' * position}^\nfor example: {_EXAMPLES[self.option]}"
        return UsageError(f"{self.option}, character {position + 1}: {message}", hint)

    def any_of(self, depth: int = 1) -> Test:
        return self.joined("or", any, lambda: self.joined("and", all, lambda: self.one(depth)))

    def joined(self, word: str, rule: Callable[[Iterable[bool]], bool], part: Callable[[], Test]) -> Test:
        tests = [part()]
        while self.skip(word):
            tests.append(part())
        return tests[0] if len(tests) == 1 else lambda row: rule(test(row) for test in tests)

    def one(self, depth: int) -> Test:
        first = self.tokens[-1]
        if depth > _DEEPEST:
            raise self.error(first, "the parentheses are nested too deeply")
        if self.skip("not"):
            inner = self.one(depth + 1)
            return lambda row: not inner(row)
        if self.skip("("):
            test = self.any_of(depth + 1)
            if not self.skip(")"):
                raise self.error(first, "this parenthesis is never closed")
            return test
        return self.comparison()

    def comparison(self) -> Test:
        parts = {f"{name}_{part}" for name in self.known for part in SUMMARY_PARTS}  # of the scores that are listed
        listed = plain(", ".join([name for name in self.known if name not in parts][:_MOST_LISTED]))
        name = self.take("word quoted", f"a column is missing here (known: {listed})")
        column = name["word"] or name["quoted"][1:-1]
        if column not in self.known:
            raise self.error(name, f"unknown column {column!r}{did_you_mean(column, self.known)} (known: {listed})")
        self.columns[column] = None
        sign = self.take("op", f"a comparison is missing after {column}: one of = != < <= > >=")["op"]
        value = self.take("word quoted list", f"a value is missing after {column}{sign}")
        text = value["quoted"][1:-1] if value["quoted"] else value["list"] or value["word"]
        limit = self.number(column, sign, value) if value["word"] else None
        if order := _ORDERS.get(sign):
            if limit is None:
                raise self.error(value, f"{sign} compares numbers, and {text!r} is none")
            return lambda row: (cell := _number(row.get(column))) is not None and order(cell, limit)
        wanted = _plain(_listed(column, text) if value["list"] else text)

        def equal(row: Row) -> bool:
            cell = row.get(column)
            if column == "tag":
                return wanted in (cell or ())
            if cell is None:
                return wanted.lower() in _NOTHING
            held = _number(cell)
            return held == limit if held is not None and limit is not None else _plain(cell) == wanted

        return equal if sign in ("=", "==") else lambda row: not equal(row)

    def number(self, column: str, sign: str, value: re.Match[str]) -> float | None:
        """A word as a number; None where it is none. An accuracy is a fraction, or has a percent sign."""
        text, share = value["word"], is_percent(column.removesuffix("_low").removesuffix("_high").removesuffix("_mean"))
        try:
            if share and text.endswith("%"):
                return float(f"{text[:-1]}e-2")
            number = float(text)
        except ValueError:
            return None
        if share and number > 1:
            fixes = " or ".join(f"{column}{sign}{fix}" for fix in (f"{number / 100:.12g}", f"{text}%"))
            raise self.error(value, f"an accuracy is at most 1; write {fixes}")
        return number


def _number(cell: Any) -> int | float | None:
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
