"""The `dataset` key: a name, or a mapping with a name or a path and options."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ValidationInfo, model_validator

from mlp_cli.config.block import listed, one_line
from mlp_cli.config.components import FromOthers, Options, filled, key
from mlp_cli.config.values import MOST, Checked, check_number, empty_or, file_path, number, one_of, or_none, wrong
from mlp_cli.config.writing import flow
from mlp_cli.data import catalogue
from mlp_cli.data.splits import splits
from mlp_cli.data.transforms import SCALES
from mlp_cli.registry import Range, did_you_mean


def _check_name(value: Any) -> str:
    known = catalogue.names()
    if isinstance(value, str) and value in known:
        return value
    if not isinstance(value, str) or not value:
        raise wrong(f"{empty_or(value or None, 'the name of a dataset')} (known: {listed(known)})")
    hint = did_you_mean(value, known) if len(value) < 60 else ""
    if not hint and ("/" in value or "." in value):
        hint = f"; for your own data write {{path: {one_line(flow(value), 40)}}}"
    raise wrong(f"unknown dataset{hint} (known: {listed(known)})")


def _either(path: str | None, info: ValidationInfo) -> str | None:
    """Refuses both a name and a path, and neither of them."""
    if "name" not in info.data:  # unsound itself
        return path
    if path is not None and info.data["name"] is not None:
        raise wrong("a dataset has a name or a path, not both; remove one")
    if path is None and info.data["name"] is None:
        raise wrong(f"has no name and no path; add a name (known: {listed(catalogue.names())}), or the path of your own data")
    return path


def _check_amount(value: Any, least: int) -> int | float:
    if isinstance(value, float) and 0 < value < 1:
        return value
    if isinstance(value, float) and value == 1:
        raise wrong("is ambiguous; write 1 for one row, or a fraction less than 1")
    return int(check_number(value, int, Range(ge=least, le=MOST), ", or a fraction between 0 and 1"))


def _amount(least: int) -> Checked:
    """The mark of a number of rows: a count from `least` on, or a fraction."""
    count = {"type": "integer", "minimum": least, "maximum": MOST}
    fraction = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
    return Checked(partial(_check_amount, least=least), {"anyOf": [count, fraction]})


def _own_validation(name: str | None, split: str) -> int | float | None:
    """What a dataset sets aside if its config does not say; None where only its files can tell."""
    official = None if name is None else catalogue.entry(name).official_validation
    if split == "official" and (official is not None or name is None):
        return official
    return catalogue.PATH_VALIDATION if name is None else catalogue.entry(name).validation


def _own(value: Any) -> Any:
    return FromOthers if value is None else value


_NAME = Checked(_check_name, {"enum": list(catalogue.names())})
_VALIDATION = or_none(_amount(0))


class Dataset(Options):
    """The data, and how it is split and scaled."""

    name: Annotated[str | None, or_none(_NAME)] = key("a set that is known by name", None)
    path: Annotated[str | None, or_none(file_path()), AfterValidator(_either)] = key(
        "a file or folder of your own, in place of a name", None
    )
    split: Annotated[str, one_of(*splits)] = key("how the validation rows are chosen", "stratified")
    split_seed: Annotated[int, number(int, Range(ge=0, le=2**32 - 1))] = key(
        "the seed of that choice, which the run's seed never changes", 0
    )
    validation: Annotated[int | float | None, _VALIDATION, filled(_own_validation, "name", "split"), BeforeValidator(_own)] = key(
        "training rows set aside for validation: a count, a fraction, 0 for none, null for the set's own number", None
    )
    scale: Annotated[str, one_of(*SCALES)] = key("how the inputs are scaled, fitted on the training part", "unit")
    limit: Annotated[int | float | None, or_none(_amount(1))] = key(
        "training rows to use, a stratified part of them: a count, a fraction, or null for all", None
    )

    @model_validator(mode="before")
    @classmethod
    def expand(cls, value: Any) -> Any:
        """A name becomes a mapping."""
        if isinstance(value, str):
            return {"name": value}
        if not isinstance(value, dict | Dataset):
            raise wrong(f"{empty_or(value, 'the name of a dataset, or a mapping')} (known: {listed(catalogue.names())})")
        return value
