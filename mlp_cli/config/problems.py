"""What is wrong with a config: pydantic's errors as problems, each with place, value, what is accepted and the fix."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from mlp_cli.config.components import Options, models_in
from mlp_cli.config.resolved import show
from mlp_cli.config.yaml_lines import NOWHERE, Document, Path, Problem, scalar
from mlp_cli.errors import ConfigError, UsageError
from mlp_cli.registry import MOST, did_you_mean, nearest
from mlp_cli.text import counted, either, listed, one_line

MOST_PROBLEMS = 50
"""A block lists this many problems at most; a hostile file could hold tens of thousands."""


def config_error(source: str, problems: Sequence[Problem]) -> ConfigError:
    """The error that lists all problems in columns: those without a place, then by line, overrides last."""
    shown = sorted(problems, key=_order)[:MOST_PROBLEMS]
    labels = ["override" if each.place.override else f"line {each.place.line}" if each.place.line else "" for each in shown]
    rows = [(label, one_line(each.shown), each.message) for label, each in zip(labels, shown, strict=True)]
    first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
    lines = [f"{one_line(source, 200)}: {counted(len(problems), 'problem')}"]
    for label, text, message in rows:
        columns = (label.ljust(first + 3) if first else "") + (text.ljust(second + 4) if second else "")
        lines.append(f"  {columns}{message}".rstrip())
    if len(problems) > MOST_PROBLEMS:
        lines.append(f"  and {len(problems) - MOST_PROBLEMS:,} more")
    return ConfigError("\n".join(lines))


def _order(problem: Problem) -> tuple[bool, int]:
    return problem.place.override is not None, problem.place.line or problem.place.number


def _at(values: Any, path: Path) -> Any:
    for part in path:
        values = values[part]
    return values


def value_text(document: Document, path: Path) -> str:
    """The value at `path` as it was written."""
    place, value = document.places.get(path, NOWHERE), _at(document.values, path)
    return place.text if place.line and (place.text or value is None) else show(value)


def problem_at(document: Document, path: Path, message: str) -> Problem:
    """Shows a value of the file as "optimizer.beta_1: 2", an override as given; the message says the rest of the way."""
    ways = (path[:length] for length in range(len(path), 0, -1))
    place = next((document.places[way] for way in ways if way in document.places), NOWHERE)
    if place.override is None:
        depth = next((number for number, part in enumerate(path) if isinstance(part, int)), len(path))
        shown = f"{'.'.join(map(str, path[:depth]))}: {value_text(document, path[:depth])}".rstrip()
    else:
        depth, shown = place.override.partition("=")[0].count(".") + 1, place.override
    rest = [f"item {part + 1}" if isinstance(part, int) else one_line(part, 40) for part in path[depth:]]
    return Problem(place, shown, f"{', '.join(rest)}: {message}" if rest else message)


def translate(error: ValidationError, document: Document, fields: Mapping[str, FieldInfo]) -> list[Problem]:
    """One problem for each wrong value. fields: of the top level.

    Only as many get a message as a block shows; looking for near names takes time.
    """
    found: dict[tuple[Path, str], list[Any]] = {}
    for detail in error.errors(include_url=False):
        path = _written(detail["loc"], document.values)
        missing = ".".join(map(str, detail["loc"])) if detail["type"] == "missing" or not path else ""
        if detail["type"] != "default_factory_not_called":
            found.setdefault((path, missing), []).append(detail)
    problems = []
    for path, missing in sorted(found, key=lambda where: _order(problem_at(document, where[0], ""))):
        shown = len(problems) < MOST_PROBLEMS
        message = _message([_Case(each, path, document, fields) for each in found[path, missing]]) if shown else ""
        problems.append(problem_at(document, path, message) if path else Problem(NOWHERE, missing, message))
    return problems


def check(kind: Any, what: str, value: Any) -> Any:
    """`value` as a type of pydantic's takes it. Errors: UsageError with all that is wrong on one line. what: its name."""
    try:
        return TypeAdapter(dict[str, kind]).validate_python({what: value})[what]
    except ValidationError as error:
        problems = translate(error, Document("", {what: value}), {what: FieldInfo.from_annotation(kind)})
    raise UsageError("; ".join(problem.message for problem in problems))


def _written(way: Path, value: Any) -> Path:
    """The way to the value that an error is about, as far as it was written: without the names of pydantic's unions."""
    path: list[int | str] = []
    for part in way:
        if (isinstance(value, dict) and part in value) or (isinstance(value, list | tuple) and isinstance(part, int)):
            path.append(part)
            value = value[part]
    return tuple(path)


@dataclass(frozen=True)
class _Case:
    """An error of pydantic's at a value that was written."""

    detail: Any
    path: Path
    document: Document
    fields: Mapping[str, FieldInfo]


def _message(cases: Sequence[_Case]) -> str:
    """What is said of a wrong value. cases: one for each member of a union."""
    value = cases[0].detail["input"]
    texts = [_MESSAGES.get(case.detail["type"], _expected)(case) for case in cases]
    message = ", or ".join([texts[0], *(text.removeprefix("must be ") for text in texts[1:])])
    if not message.startswith("must be"):
        return message
    if value is None or value == "":
        return f"has no value; {message}"
    return message + _hint(value, message)


_WORDS = {
    "bool_type": "must be true or false",
    "string_type": "must be a text",
    "string_too_short": "must be a text",
    "tuple_type": "must be a list",
    "model_type": "must be a name, or a mapping of options",
}


def _expected(case: _Case) -> str:
    """What pydantic says; of a number that is out of bounds, the bounds alone."""
    text, value = case.detail["msg"].replace("Input should", "must"), case.detail["input"]
    text = _WORDS.get(case.detail["type"], text)
    if isinstance(value, bool) or not isinstance(value, int | float) or not text.startswith(("must be a number", "must be a whole")):
        return text
    if value != value or abs(value) == float("inf"):
        return "must be a finite number"
    kind, _, bounds = text.partition(", ")
    if not bounds or ("whole" in kind and value % 1):
        return text
    return f"must be at most {MOST}" if value > MOST and "at most" not in bounds else f"must be {bounds}"


_FLAGS = dict.fromkeys(("yes", "y", "on", "1"), "; write true") | dict.fromkeys(("no", "n", "off", "0", "none"), "; write false")
_FLAGS |= dict.fromkeys(("true", "false"), "; remove the quotes")


def _hint(value: Any, message: str) -> str:
    """The fix for a value of another type; or ""."""
    if "number" in message:
        other = {bool: ", not true or false", list: ", not a list", dict: ", not a mapping"}
        return number_hint(value) if isinstance(value, str) else other.get(type(value), "")
    if "true" in message:
        return _FLAGS.get(str(value).lower(), "")
    if message == "must be a list" and isinstance(value, str | int | float):
        return f"; write [{', '.join(str(value).replace(',', ' ').split())}]"
    return "; put it in quotes" if message == "must be a text" and isinstance(value, int | float) else ""


def number_hint(text: str) -> str:
    """The fix for a text where a number is asked for, such as 1_000, 010, 0x10, 0,5 or 10%; or ""."""
    plain = text.strip().replace("_", "").replace(",", ".")
    if re.fullmatch(r"[-+]?(nan|inf|infinity)", plain, re.IGNORECASE):
        return ", and finite"
    if re.fullmatch(r"[0-9.]+(\s+[0-9.]+)+", plain):
        return "; is a comma missing?"
    if re.fullmatch(r"0([xX][0-9a-fA-F]{1,15}|[oO][0-7]{1,20}|[bB][01]{1,60})", plain):
        return f"; write {int(plain, 0)}"
    digits = re.sub(r"^([-+]?)0+(?=[0-9])", r"\1", plain.removesuffix("%"))
    number = scalar(digits)
    if len(text) > 60 or isinstance(number, bool) or not isinstance(number, int | float):
        return ""
    return f"; write {number / 100:.12g}" if plain.endswith("%") else "; remove the quotes" if digits == text else f"; write {digits}"


def _choice(case: _Case) -> str:
    """For a value that is not in a closed list."""
    context, way = case.detail["ctx"], [part for part in case.detail["loc"] if isinstance(part, str)]
    word = context.get("tag", case.detail["input"])
    known = list(dict.fromkeys(re.findall("'([^']*)'", context.get("expected_tags") or context["expected"])))
    near = did_you_mean(word, known) if isinstance(word, str) and 0 < len(word) < 60 and len(known) > 3 else ""
    if "tag" not in context and way[-1] != "name":
        return f"must be {either(known)}{near}"
    kind = next(part for part in reversed(way) if part != "name")
    if kind == "dataset" and not near and re.search("[./]", str(word)):
        near = f"; for your own data write {{path: {one_line(show(word), 40)}}}"
    return f"unknown {kind}{near} (known: {listed(known)})"


def _missing(case: _Case) -> str:
    key = case.detail["loc"][-1]
    return "is required; write dataset: mnist, for one" if key == "dataset" else f"has no {key}, which is required"


def _bad_name(case: _Case) -> str:
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", case.detail["input"]).lstrip("._-")[:100] or "run"
    own = "" if case.path else "the file's own name "
    return f"{own}must be at most 100 letters, digits, . _ or -, beginning with a letter or digit; write {one_line(safe, 40)}"


def _unknown_key(case: _Case) -> str:
    """Says where the key belongs, which component takes it, or which key was meant."""
    *way, word = case.path
    values, fields = case.document.values, case.fields
    key, value = one_line(str(word), 40), one_line(value_text(case.document, case.path), 40)
    written = "{}={}" if problem_at(case.document, case.path, "").place.override else "{}: {}"
    if way and word in fields:
        return f"unknown key; belongs at the top level; write {written.format(key, value)}"
    sections = {name: models_in(field.rebuild_annotation()) for name, field in fields.items()}
    models = sections.get(str(way[0]), {}) if way else {}
    chosen = _name_in(_at(values, tuple(way))) or ""
    if others := _takers(models, word):
        return f"unknown key; {chosen} does not take it; {either(others)} does"
    owners = {name: _takers(found, word) for name, found in sections.items()} if word != "name" else {}
    owners = {name: takers for name, takers in owners.items() if takers}
    current = {name: _name_in(values.get(name, fields[name].default)) for name in owners}
    unfit = [name for name, takers in owners.items() if "" not in takers and current[name] not in takers]
    if len(owners) > 1 or unfit:
        named = [f"{name} (for {either(owners[name])})" if name in unfit else name for name in owners]
        return f"unknown key; belongs under {either(named)}"
    for name in owners:
        option = f"{{name: {current[name]}, {key}: {value}}}" if current[name] else f"{{{key}: {value}}}"
        fix = f"{name}.{key}={value}" if "=" in written else f"{name}: {option}"
        return f"unknown key; belongs under {name}; write {fix}"
    names = [option for member, model in models.items() if member in ("", chosen) for option in model.model_fields] if way else list(fields)
    if near := _near(str(word), names):
        return f"unknown key; did you mean {near}?"
    options = {option: name for name, found in sections.items() for model in found.values() for option in model.model_fields}
    if not way and (near := _near(str(word), list(options))):
        return f"unknown key; did you mean {near}, under {options[near]}?"
    known = [name for name in names if name != "name" or not way]
    return f"unknown key; known: {listed(known)}" if known else f"unknown key; {chosen} takes no options"


def _takers(models: Mapping[str, type[Options]], option: Any) -> list[str]:
    return [member for member, model in models.items() if option in model.model_fields]


def _name_in(value: Any) -> str | None:
    name = value.get("name") if isinstance(value, dict) else value
    return name if isinstance(name, str) else None


def _near(word: str, names: Sequence[str]) -> str | None:
    """The nearest of `names`, by spelling or by initials (lr for learning_rate)."""
    initials = {"".join(part[0] for part in name.split("_")): name for name in names if "_" in name}
    return (nearest(word, names) or initials.get(word.lower())) if len(word) <= 60 else None


_MESSAGES: dict[str, Callable[[_Case], str]] = {
    "missing": _missing,
    "extra_forbidden": _unknown_key,
    "literal_error": _choice,
    "union_tag_invalid": _choice,
    "string_pattern_mismatch": _bad_name,
    "too_short": lambda case: f"must be a list of {case.detail['ctx']['min_length']} or more",
}
"""What is said of each type of pydantic's errors; `_expected` for all others."""
