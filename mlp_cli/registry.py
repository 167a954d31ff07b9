"""Named components. A component's constructor signature is its schema: the YAML options, `mlp show`, the JSON Schema,
the config checks and the contract tests are all read from it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

from mlp_cli.errors import UsageError


@dataclass(frozen=True)
class Range:
    """The values that a numeric option accepts, as a marker inside `Annotated`; pydantic checks them."""

    gt: float | None = None
    ge: float | None = None
    lt: float | None = None
    le: float | None = None

    def __str__(self) -> str:
        """ "at least 0 and less than 1"; the bound that every count has is left out."""
        if self.gt is not None and self.lt is not None:
            return f"between {self.gt:.12g} and {self.lt:.12g}"
        words = {"greater than": self.gt, "at least": self.ge, "less than": self.lt, "at most": self.le}
        return " and ".join(f"{word} {bound:.12g}" for word, bound in words.items() if bound not in (None, MOST))

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        """Pydantic's own check of a number with these bounds. A text, true and false are no numbers."""
        from pydantic_core import core_schema

        bounds = {name: bound for name, bound in vars(self).items() if bound is not None}
        number = core_schema.no_info_before_validator_function(_whole, handler(source) | bounds | {"strict": True})
        context = {"message": f"must be {'a whole number' if source is int else 'a number'}, {self}"}
        return core_schema.custom_error_schema(number, "config", custom_error_message="{message}", custom_error_context=context)


class Listed:
    """The mark of a tuple that a config writes as a list: `Annotated[tuple[float, ...], Listed()]`."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        """Pydantic's own check, which takes a list as well."""
        return handler(source) | {"strict": False}


def _whole(value: Any) -> Any:
    """10.0 as 10, which is good for whole numbers and others; -0.0 becomes 0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


MOST = 2**31 - 1
"""No count may be larger, so that it fits every integer type that it meets."""

Positive = Annotated[float, Range(gt=0)]
NonNegative = Annotated[float, Range(ge=0)]
Fraction = Annotated[float, Range(ge=0, lt=1)]
Count = Annotated[int, Range(ge=1, le=MOST)]
Seed = Annotated[int, Range(ge=0, le=2**32 - 1)]


@dataclass(frozen=True)
class Option:
    """One option of a component: its name, type (with `Annotated` markers kept) and default (`REQUIRED` if it has none)."""

    name: str
    annotation: Any
    default: Any

    @property
    def text(self) -> str:
        """The sentence that says what it does."""
        return text_of(self.annotation)


def text_of(annotation: Any) -> str:
    """The text of the outermost `Doc` in an annotation, inside a union too; "" where there is none."""
    texts = [getattr(annotation, "documentation", ""), *map(text_of, reversed(get_args(annotation)))]
    return next(filter(None, texts), "")


REQUIRED: Any = inspect.Parameter.empty

T = TypeVar("T", bound=Callable[..., Any])


class Registry(dict[str, T]):
    """Components of one kind by their YAML names, in the order of their registration.

    kind: what a member is called in messages ("optimizer").
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def register(self, component: T) -> T:
        """Class or function decorator; the YAML name is the snake_case of the component's own name."""
        name = snake_case(component.__name__)
        if name in self:
            raise ValueError(f"{self.kind} {name} is registered twice")
        self[name] = component
        return component

    def __missing__(self, name: str) -> T:
        raise UsageError(f"unknown {self.kind} {name!r}{did_you_mean(name, self)}", f"known: {', '.join(self)}")

    def build(self, name: str, **options: Any) -> Any:
        """A new component made from its name and options; the config has checked both."""
        return self[name](**options)

    def options(self, name: str) -> tuple[Option, ...]:
        """The options that a member takes, in order."""
        return options_of(self[name])

    def summary(self, name: str) -> str:
        """The first line of a member's docstring."""
        return summary_of(self[name])


def options_of(constructor: Callable[..., Any]) -> tuple[Option, ...]:
    """The options that a class or function takes, in order, read from its signature."""
    hints = get_type_hints(constructor.__init__ if inspect.isclass(constructor) else constructor, include_extras=True)
    parameters = inspect.signature(constructor).parameters.values()
    return tuple(Option(each.name, hints.get(each.name, Any), each.default) for each in parameters)


def summary_of(constructor: Callable[..., Any]) -> str:
    """The first line of a docstring."""
    return (inspect.getdoc(constructor) or "").partition("\n")[0]


def snake_case(name: str) -> str:
    """`LeakyRelu` becomes `leaky_relu`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def nearest(word: str, names: Iterable[str]) -> str | None:
    """The name most like `word`, by spelling or by initials (lr for learning_rate), or None where none is close."""
    import difflib

    plain = {name.lower().replace("-", "_"): name for name in names}
    close = difflib.get_close_matches(str(word).lower().replace("-", "_"), plain, n=1, cutoff=0.6)
    initials = {"".join(part[:1] for part in text.split("_")): name for text, name in reversed(plain.items()) if "_" in text}
    return plain[close[0]] if close else initials.get(str(word).lower())


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """`"; did you mean adam?"`, or the empty string."""
    match = nearest(word, names)
    return f"; did you mean {match}?" if match else ""
