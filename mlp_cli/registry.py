"""Named components. A component's constructor signature is its schema: the YAML options, `mlp show`, the JSON Schema,
the config checks and the contract tests are all read from it."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar, get_type_hints

from mlp_cli.errors import UsageError


@dataclass(frozen=True)
class Range:
    """The values that a numeric option accepts, as a marker inside `Annotated`."""

    gt: float | None = None
    ge: float | None = None
    lt: float | None = None
    le: float | None = None


MOST = 2**31 - 1
"""No count may be larger, so that it fits every integer type that it meets."""

Positive = Annotated[float, Range(gt=0)]
NonNegative = Annotated[float, Range(ge=0)]
Fraction = Annotated[float, Range(ge=0, lt=1)]
Count = Annotated[int, Range(ge=1, le=MOST)]


@dataclass(frozen=True)
class Option:
    """One option of a component: its name, type (with `Annotated` markers kept) and default (`REQUIRED` if it has none)."""

    name: str
    annotation: Any
    default: Any


REQUIRED: Any = inspect.Parameter.empty

T = TypeVar("T", bound=Callable[..., Any])


class Registry(Generic[T]):
    """Components of one kind by their YAML names, in the order of their registration.

    kind: what a member is called in messages ("optimizer").
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._members: dict[str, T] = {}

    def register(self, component: T) -> T:
        """Class or function decorator; the YAML name is the snake_case of the component's own name."""
        name = snake_case(component.__name__)
        if name in self._members:
            raise ValueError(f"{self.kind} {name} is registered twice")
        self._members[name] = component
        return component

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def __getitem__(self, name: str) -> T:
        if name not in self._members:
            raise UsageError(f"unknown {self.kind} {name!r}{did_you_mean(name, self)}", f"known: {', '.join(self)}")
        return self._members[name]

    def build(self, name: str, **options: Any) -> Any:
        """A new component made from its name and options; the config has checked both."""
        return self[name](**options)

    def options(self, name: str) -> tuple[Option, ...]:
        """The options that a member takes, in order, read from its signature."""
        member = self[name]
        hints = get_type_hints(member.__init__ if inspect.isclass(member) else member, include_extras=True)
        parameters = inspect.signature(member).parameters.values()
        return tuple(Option(p.name, hints.get(p.name, Any), p.default) for p in parameters)

    def summary(self, name: str) -> str:
        """The first line of a member's docstring."""
        return (inspect.getdoc(self[name]) or "").partition("\n")[0]


def snake_case(name: str) -> str:
    """`LeakyRelu` becomes `leaky_relu`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def nearest(word: str, names: Iterable[str]) -> str | None:
    """The name most like `word`, or None where none is close."""
    plain = {name.lower().replace("-", "_"): name for name in names}
    close = difflib.get_close_matches(str(word).lower().replace("-", "_"), plain, n=1, cutoff=0.6)
    return plain[close[0]] if close else None


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """`"; did you mean adam?"`, or the empty string."""
    match = nearest(word, names)
    return f"; did you mean {match}?" if match else ""
