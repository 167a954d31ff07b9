"""The checks of single values: strict, but taking what a person means, and saying in full what they take."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from mlp_cli.config.block import either, one_line
from mlp_cli.config.reading import scalar
from mlp_cli.registry import MOST, Range, did_you_mean

_ANYTHING = Range()
_KEYWORDS = {"gt": "exclusiveMinimum", "ge": "minimum", "lt": "exclusiveMaximum", "le": "maximum"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_FLAGS = {
    "; remove the quotes": ("true", "false"),
    "; write true": ("yes", "y", "on", "1"),
    "; write false": ("no", "n", "off", "0", "none"),
}


@dataclass(frozen=True)
class Checked:
    """The mark of a value with a check of its own: `Annotated[int, Checked(check, schema)]`.

    check: takes a plain value, returns what the config holds, or raises `wrong(…)`. schema: the JSON Schema of what it takes.
    """

    check: Callable[[Any], Any]
    schema: dict[str, Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)


def wrong(message: str) -> PydanticCustomError:
    """The error that a check raises; `message` is shown as it is."""
    return PydanticCustomError("config", "{message}", {"message": message})


def empty_or(value: Any, accepted: str) -> str:
    """ "must be …", with the remark that nothing stands there where that is so."""
    return f"has no value; must be {accepted}" if value is None else f"must be {accepted}"


def number(kind: type, bounds: Range = _ANYTHING) -> Checked:
    """The mark of a number. kind: int or float."""
    limits = {_KEYWORDS[name]: limit for name, limit in vars(bounds).items() if limit is not None}
    return Checked(partial(check_number, kind=kind, bounds=bounds), {"type": "integer" if kind is int else "number"} | limits)


def check_number(value: Any, kind: type = float, bounds: Range = _ANYTHING, also: str = "") -> Any:
    """`value` as int or float. also: what else the caller accepts, for the message (" or full")."""
    within = _bounds_text(bounds)
    accepted = ("a whole number" if kind is int else "a number") + (f", {within}" if within else "") + also
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong(empty_or(value, accepted) + _number_hint(value))
    if not _is_finite(value):
        raise wrong("must be a finite number")
    if kind is int and value != int(value):
        raise wrong(f"must be {accepted}")
    parsed = int(value) if kind is int else float(value) + 0.0  # -0.0 becomes 0.0
    if not _inside(parsed, bounds):
        raise wrong(f"must be {within if parsed <= MOST else _bounds_text(bounds, all_of_them=True)}{also}")
    return parsed


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an int beyond the floats
        return False


def _inside(value: float, bounds: Range) -> bool:
    return (
        (bounds.gt is None or value > bounds.gt)
        and (bounds.ge is None or value >= bounds.ge)
        and (bounds.lt is None or value < bounds.lt)
        and (bounds.le is None or value <= bounds.le)
    )


def _bounds_text(bounds: Range, all_of_them: bool = False) -> str:
    """ "at least 0 and less than 1". The bound that every count has is left out unless it is asked for."""
    most = None if bounds.le == MOST and not all_of_them else bounds.le
    texts = (("greater than", bounds.gt), ("at least", bounds.ge), ("less than", bounds.lt), ("at most", most))
    return " and ".join(f"{text} {limit:.12g}" for text, limit in texts if limit is not None)


def _number_hint(value: Any) -> str:
    """The fix for a value that is meant as a number but is none; or ""."""
    if isinstance(value, bool):
        return ", not true or false"
    if isinstance(value, list | tuple):
        return ", not a list"
    if not isinstance(value, str):
        return ", not a mapping" if isinstance(value, dict) else ""
    text = value.strip()
    if len(text) > 60:
        return ""
    if _is_number(text):
        return "; remove the quotes"
    if re.fullmatch(r"[-+]?(nan|inf|infinity)", text, re.IGNORECASE):
        return ", and finite"
    if re.fullmatch(r"[0-9.]+(\s+[0-9.]+)+", text):
        return "; is a comma missing?"
    return f"; write {meant}" if (meant := _meant(text)) else ""


def _is_number(text: str) -> bool:
    value = scalar(text)
    return isinstance(value, int | float) and not isinstance(value, bool)


def _meant(text: str) -> str | None:
    """The accepted spelling of a number that was written in another way: 1_000, 010, 0x10, 0,5 or 10%."""
    if re.fullmatch(r"0([xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)", text):
        return str(int(text, 0))
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?%", text):
        return f"{float(text[:-1]) / 100:.12g}"
    plain = re.sub(r"(?<=[0-9])[_'](?=[0-9])", "", text)
    if re.fullmatch(r"[-+]?[0-9]+,[0-9]+([eE][-+]?[0-9]+)?", plain):
        plain = plain.replace(",", ".")
    plain = re.sub(r"^([-+]?)0+(?=[0-9])", r"\1", plain)
    return plain if plain != text and _is_number(plain) else None


def one_of(*choices: str) -> Checked:
    """The mark of a text from a closed list; a choice that is all digits may be written as a number."""
    spellings = [spelling for choice in choices for spelling in ([choice, int(choice)] if choice.isdigit() else [choice])]
    return Checked(partial(_check_choice, choices=choices), {"enum": spellings})


def _check_choice(value: Any, choices: Sequence[str]) -> str:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str) and text in choices:
        return text
    hint = did_you_mean(value, choices) if len(choices) > 3 and isinstance(value, str) and len(value) < 60 else ""
    raise wrong(empty_or(value, either(choices)) + hint)


def flag() -> Checked:
    """The mark of true or false."""
    return Checked(check_flag, {"type": "boolean"})


def check_flag(value: Any, accepted: str = "true or false") -> bool:
    """true or false, and nothing that only looks like it. accepted: all that the caller takes, for the message."""
    if isinstance(value, bool):
        return value
    word = str(value).lower() if isinstance(value, str | int) else ""
    hint = next((text for text, words in _FLAGS.items() if word in words), "")
    raise wrong(empty_or(value, accepted) + hint)


def _check_text(value: Any, what: str) -> str:
    if isinstance(value, str) and value:
        return value
    quote = "; put it in quotes" if isinstance(value, int | float) else ""
    raise wrong(empty_or(None if value == "" else value, what) + quote)


def run_name() -> Checked:
    """The mark of a run's name."""
    return Checked(_check_name, {"type": "string", "pattern": f"^{_NAME.pattern}$"})


def _check_name(value: Any) -> str:
    text = _check_text(value, "a text")
    if not _NAME.fullmatch(text):
        limit = "at most 100 characters" if len(text) > 100 else "letters, digits, . _ or -, beginning with a letter or digit"
        raise wrong(f"must be {limit}; write {one_line(safe_name(text), 40)}")
    return text


def safe_name(text: str) -> str:
    """The accepted name that is most like `text`."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text).lstrip("._-")[:100] or "run"


def file_path() -> Checked:
    """The mark of a path; `./a//b` becomes `a/b`."""
    return Checked(_check_path, {"type": "string", "minLength": 1})


def _check_path(value: Any) -> str:
    text = _check_text(value, "a path")
    if "\0" in text:
        raise wrong("must be a path, and no path holds a NUL character")
    return str(PurePosixPath(text))


def or_none(mark: Checked) -> Checked:
    """The mark of what `mark` accepts, or null."""
    return Checked(lambda value: None if value is None else mark.check(value), {"anyOf": [mark.schema, {"type": "null"}]})


def option_mark(annotation: Any) -> Checked:
    """The mark of a component's option, from its constructor's annotation: int, float, bool, Literal, or one of them or None.

    Errors: TypeError for an annotation that a config cannot express.
    """
    bounds = _ANYTHING
    if get_origin(annotation) is Annotated:
        annotation, *marks = get_args(annotation)
        bounds = next((mark for mark in marks if isinstance(mark, Range)), bounds)
    if annotation in (int, float):
        return number(annotation, bounds)
    if annotation is bool:
        return flag()
    if get_origin(annotation) is Literal:
        return one_of(*get_args(annotation))
    if get_origin(annotation) in (Union, UnionType) and NoneType in get_args(annotation):
        (rest,) = (part for part in get_args(annotation) if part is not NoneType)
        return or_none(option_mark(rest))
    raise TypeError(f"a config cannot express options of type {annotation}")
