"""The values of the `dataset` mapping's options: what goes with which set, checked and filled in by the keys before them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from mlp_cli.config.components import FromOthers
from mlp_cli.config.values import Checked, check_number, empty_or, one_of, option_mark, wrong
from mlp_cli.data import catalogue
from mlp_cli.data.synthetic import synthetic
from mlp_cli.registry import MOST, Range

Data = Mapping[str, Any]
"""The keys of the mapping that stand before the one that is checked, as far as they are sound."""


@dataclass(frozen=True)
class Within(Checked):
    """The mark of a value whose check sees the keys before it, and fills it in where it is left out (`FromOthers`) or null."""

    resolve: Callable[[Any, Data], Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(
            lambda value, info: self.resolve(None if value is FromOthers else value, info.data)
        )


def check_amount(value: Any, least: int) -> int | float:
    """A number of rows: a count from `least` on, or a fraction."""
    if isinstance(value, float) and 0 < value < 1:
        return value
    if isinstance(value, float) and value == 1:
        raise wrong("is ambiguous; write 1 for one row, or a fraction less than 1")
    return int(check_number(value, int, Range(ge=least, le=MOST), ", or a fraction between 0 and 1"))


def amount(least: int) -> Checked:
    """The mark of a number of rows: a count from `least` on, or a fraction."""
    count = {"type": "integer", "minimum": least, "maximum": MOST}
    fraction = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
    return Checked(lambda value: check_amount(value, least), {"anyOf": [count, fraction]})


def within(mark: Checked, resolve: Callable[[Any, Data], Any]) -> Within:
    """The mark of what `mark` accepts, or null."""
    return Within(mark.check, {"anyOf": [mark.schema, {"type": "null"}]}, resolve)


def check_subset(value: Any, data: Data) -> str | None:
    """The name of a subset of a set that comes in several; None stands for the default one, and for other sets."""
    if "name" not in data:  # unsound itself
        return None
    name = data["name"]
    known = catalogue.subset_names(name) if name is not None else ()
    if value is None:
        return catalogue.default_subset(name) if known else None
    if not known:
        raise wrong(_only_for("subset", [other for other in catalogue.names() if catalogue.subset_names(other)], data))
    return str(one_of(*known).check(value))


def _only_for(option: str, names: list[str], data: Data) -> str:
    return f"{data['name'] or 'a set given by path'} does not take it; {option} is an option of {_both(names)}"


def _both(names: list[str]) -> str:
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def generated(option: str) -> Within:
    """The mark of an option of the generated sets, which for each is checked and filled in by its function's signature."""
    takers = {name: found for name in synthetic if (found := _options_of(name).get(option))}

    def resolve(value: Any, data: Data) -> Any:
        name = data.get("name")
        if value is None:
            return takers[name][1] if name in takers else None
        if name not in takers and "name" in data:
            raise wrong(_only_for(option, list(takers), data))
        return takers[name][0].check(value) if name in takers else None

    return within(next(iter(takers.values()))[0], resolve)


@cache
def _options_of(name: str) -> dict[str, tuple[Checked, Any]]:
    return {option.name: (option_mark(option.annotation), option.default) for option in synthetic.options(name)}


def with_path(mark: Checked, default: Any, fits: Callable[[str], bool], where: str) -> Within:
    """The mark of an option of sets given by path. fits: whether it goes with that path; where: with what, in words."""

    def resolve(value: Any, data: Data) -> Any:
        path = data.get("path")
        fitting = path is not None and fits(path)
        if value is None:
            return default if fitting else None
        if not {"name", "path"} <= data.keys():  # unsound themselves
            return None
        if not fitting:
            raise wrong(f"goes with {where} alone")
        return mark.check(value)

    return within(mark, resolve)


TABLES = "the path of a table (.csv, .tsv or .parquet)"


def _check_text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise wrong(empty_or(None if value == "" else value, "a text"))
    return str(value)


def texts(what: str, least: int = 0) -> Checked:
    """The mark of a list of texts, none twice; numbers are taken as texts."""

    def check(value: Any) -> tuple[str, ...]:
        if not isinstance(value, list | tuple):
            written = f"; write [{value}]" if isinstance(value, str | int) and not isinstance(value, bool) else ""
            raise wrong(empty_or(value, f"a list of {what}") + written)
        found = tuple(_check_text(item) for item in value)
        if len(set(found)) < len(found):
            raise wrong(f"has {next(item for item in found if found.count(item) > 1)} twice")
        if len(found) < least:
            raise wrong(f"must be a list of {least} {what} or more")
        return found

    items = {"anyOf": [{"type": "string", "minLength": 1}, {"type": "integer"}]}
    return Checked(check, {"type": "array", "items": items, "minItems": least})


TEXT = Checked(_check_text, {"type": "string", "minLength": 1})
