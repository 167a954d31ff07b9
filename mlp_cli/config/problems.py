"""What is wrong with a config: pydantic's errors as problems, each with place, value, what is accepted and the fix."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from mlp_cli.config.components import models_in
from mlp_cli.config.resolved import show
from mlp_cli.config.yaml_lines import NOWHERE, Document, Path, Place, Problem, scalar
from mlp_cli.data import catalogue
from mlp_cli.errors import ConfigError, UsageError
from mlp_cli.registry import MOST, did_you_mean, nearest
from mlp_cli.text import counted, either, listed, one_line

MOST_PROBLEMS = 50
"""A block lists this many problems at most; a hostile file could hold tens of thousands."""


def config_error(source: str, problems: Sequence[Problem]) -> ConfigError:
    """The error that lists the first problems in columns: those without a place, then by line, overrides last."""
    rows = []
    for (line, _, override, number), text, message in problems[:MOST_PROBLEMS]:
        label = f"line {line}" if line else "override" if override is not None else ""
        rows.append(((override is not None, line or number), label, one_line(text), message))
    first, second = (max(len(row[column]) for row in rows) for column in (1, 2))
    lines = [f"{one_line(source, 200)}: {counted(len(problems), 'problem')}"]
    for _, label, text, message in sorted(rows, key=lambda row: row[0]):
        columns = (label.ljust(first + 3) if first else "") + (text.ljust(second + 4) if second else "")
        lines.append(f"  {columns}{message}".rstrip())
    more = len(problems) - MOST_PROBLEMS
    return ConfigError("\n".join([*lines, *([f"  and {more:,} more"] if more > 0 else [])]))


class _Case(NamedTuple):
    """An error of pydantic's, the way to the value as it was written, the whole, and the fields of its top level."""

    error: Any
    path: Path
    document: Document
    fields: Mapping[str, FieldInfo]


def translate(error: ValidationError, document: Document, fields: Mapping[str, FieldInfo]) -> list[Problem]:
    """One problem for each wrong value. fields: of the top level.

    Only as many get a message as a block shows; looking for near names takes time.
    """
    found: dict[Path, list[_Case]] = {}
    for each in error.errors(include_url=False):
        case = _Case(each, _written(each, document.values), document, fields)
        if each["type"] != "default_factory_not_called":
            found.setdefault(each["loc"] if each["type"] == "missing" else case.path or each["loc"], []).append(case)
    problems: list[Problem] = []
    for cases in found.values():
        message, path = _message(cases) if len(problems) < MOST_PROBLEMS else "", cases[0].path
        missing = Problem(NOWHERE, ".".join(map(str, cases[0].error["loc"])), message)
        problems.append(document.problem(path, message) if path else missing)
    return problems


def check(kind: Any, what: str, value: Any) -> Any:
    """`value` as a type of pydantic's takes it. Errors: UsageError with all that is wrong on one line. what: its name."""
    document = Document("", {what: value}, places={(what,): Place(override=what)})
    try:
        return TypeAdapter(dict[str, kind]).validate_python(document.values)[what]
    except ValidationError as error:
        problems = translate(error, document, {what: FieldInfo.from_annotation(kind)})
    raise UsageError("; ".join(problem.message for problem in problems))


def _written(error: Any, value: Any) -> Path:
    """The way to the value that an error is about, as far as it was written: without the names of pydantic's unions."""
    path: list[int | str] = []
    for part in (*error["loc"], *(["name"] if error["type"] == "union_tag_invalid" else [])):
        if (isinstance(value, dict) and part in value) or (isinstance(value, list | tuple) and isinstance(part, int)):
            path.append(part)
            value = value[part]
    return tuple(path)


def _message(cases: Sequence[_Case]) -> str:
    """What is said of a wrong value. cases: as each member of a union says it."""
    said = [(_MESSAGES.get(case.error["type"], _expected), case) for case in cases]
    texts = [each if isinstance(each, str) else each(case) for each, case in said]
    if not texts[0].startswith("must be"):
        return texts[0]
    value, message = cases[0].error["input"], ", or ".join([texts[0], *(text.removeprefix("must be ") for text in texts[1:])])
    return f"has no value; {message}" if value is None or value == "" else message + _hint(value, message)


def _expected(case: _Case) -> str:
    """What pydantic or a check of ours says; of a number that is out of bounds, the bounds alone."""
    value, text = case.error["input"], str(case.error["msg"]).replace("Input should", "must")
    kind, _, bounds = text.partition(", ")
    if isinstance(value, bool) or not isinstance(value, int | float) or not kind.endswith(" number"):
        return text
    if value != value or abs(value) == float("inf"):
        return "must be a finite number"
    if "whole" in kind and value % 1:
        return text
    return f"must be at most {MOST}" if value > MOST and "at most" not in bounds else f"must be {bounds}"


def _hint(value: Any, message: str) -> str:
    """The fix for a number, true or false in quotes, and for a decimal comma; or ""."""
    kind: Any = bool if "true" in message else int | float if "number" in message else ()
    if "a number" in message and isinstance(value, str) and re.fullmatch(r"[-+]?\d{1,20},\d{1,20}", value):
        return f"; write {value.replace(',', '.')}"
    return "; remove the quotes" if isinstance(value, str) and isinstance(scalar(value), kind) else ""


def _items(value: Any) -> str:
    """What goes between the brackets of a list: a value, or those of `300, 100` and `(300, 100)`."""
    found = re.fullmatch(r"\(?([\w.+-]+(?: *, *[\w.+-]+)*),? *\)?", value) if isinstance(value, str) else None
    return found[1] if found else show(value)


def _choice(case: _Case) -> str:
    """For a value that is not in a closed list."""
    context, way = case.error["ctx"], [part for part in case.error["loc"] if isinstance(part, str)]
    word = context.get("tag", case.error["input"])
    known = list(dict.fromkeys(re.findall("'([^']*)'", context.get("expected_tags") or context["expected"])))
    near = did_you_mean(word, known) if isinstance(word, str) and len(word) < 60 else ""
    if "tag" not in context and way[-1] != "name":
        return f"must be {either(known)}{near if len(known) > 3 else ''}"
    kind = next(part for part in reversed(way) if part != "name")
    if kind == "dataset" and not near and re.search("[./]", str(word)):
        near = f"; for your own data write {{path: {one_line(show(word), 40)}}}"
    return f"unknown {kind}{near} (known: {listed(known)})"


def _missing(case: _Case) -> str:
    key, names = case.error["loc"][-1], catalogue.names()
    fix = f"is required; write {key}: {names[0]}, for one (known: {listed(names)})"
    return fix if key == "dataset" else f"has no {key}, which is required"


def _bad_name(case: _Case) -> str:
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", case.error["input"]).lstrip("._-")[:100] or "run"
    own = "" if case.path else "the file's own name "
    return f"{own}must be letters, digits, . _ or -, at most 100, beginning with a letter or digit; write {one_line(safe, 40)}"


def _homes(fields: Mapping[str, FieldInfo], above: str = "") -> Iterator[tuple[str, str, str]]:
    """Where options belong: the dotted key, the component that takes them ("" without a choice), the option."""
    for key, field in fields.items():
        for component, model in models_in(field.rebuild_annotation()).items():
            yield from ((above + key, component, option) for option in model.model_fields)
            yield from _homes(model.model_fields, f"{above}{key}.")


def known_keys(fields: Mapping[str, FieldInfo]) -> set[tuple[str, str]]:
    """Every key with the dotted key that it belongs under, "" for the top level. fields: of the top level."""
    return {("", key) for key in fields} | {(home, option) for home, _, option in _homes(fields)}


def _unknown_key(case: _Case) -> str:
    """Says where the key belongs, which component takes it, or which key was meant."""
    _, path, document, fields = case
    word, section = str(path[-1]), ".".join(part for part in path[:-1] if isinstance(part, str))
    if section and word in fields:
        return "unknown key; belongs at the top level"
    homes, chosen = list(_homes(fields)), document.value(path[:-1]).get("name")
    if takers := [component for home, component, option in homes if (home, option) == (section, word)]:
        return f"unknown key; {chosen} does not take it; {either(takers)} does"
    owners = {home: component for home, component, option in reversed(homes) if option == word != "name"}
    owner, *others = reversed(owners or {"": ""})
    if others or owner not in {"", *fields}:
        return f"unknown key; belongs under {either([owner, *others])}"
    if owner:
        current = document.values.get(owner, fields[owner].default)
        current = current.get("name") if isinstance(current, dict) else current
        fits = not owners[owner] or (owner, current, word) in homes
        name = current if fits else owners[owner]
        key, value = one_line(word, 40), one_line(document.text(path), 40)
        mapping = f"{{name: {name}, {key}: {value}}}" if isinstance(name, str) else f"{{{key}: {value}}}"
        fix = f"{owner}: {mapping}"
        if document.place(path).override is not None:
            fix = f"{owner}.{key}={value}" if fits else f"{owner}={mapping}"
        return f"unknown key; belongs under {owner}; write {fix}"
    names = [option for home, component, option in homes if home == section and component in ("", chosen)] or list(fields)
    if near := _near(word, names):
        return f"unknown key; did you mean {near}?"
    elsewhere = {option: home for home, _, option in homes}
    if not section and (near := _near(word, list(elsewhere))):
        return f"unknown key; did you mean {near}, under {elsewhere[near]}?"
    known = [name for name in names if name != "name" or not section]
    return f"unknown key; known: {listed(known)}" if known else f"unknown key; {chosen} takes no options"


def _near(word: str, names: Sequence[str]) -> str | None:
    """The nearest of `names`, of a word that may be one."""
    return nearest(word, names) if len(word) <= 60 else None


_MESSAGES: dict[str, str | Callable[[_Case], str]] = {
    "bool_type": "must be true or false",
    "string_type": "must be a text",
    "string_too_short": "must be a text",
    "tuple_type": lambda case: f"must be a list; write [{one_line(_items(case.error['input']), 40)}]",
    "list_type": "must be a list",
    "too_short": lambda case: f"must be a list of {case.error['ctx']['min_length']} or more",
    "model_type": f"must be the name of a dataset, or a mapping of options (known: {listed(catalogue.names())})",
    "missing": _missing,
    "extra_forbidden": _unknown_key,
    "literal_error": _choice,
    "union_tag_invalid": _choice,
    "string_pattern_mismatch": _bad_name,
}
"""What is said of each type of pydantic's errors; `_expected` for all others."""
