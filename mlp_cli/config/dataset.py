"""The `dataset` key: a name, or a mapping with a name or a path and options."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, ValidationInfo, model_validator

from mlp_cli.config.block import either, listed, one_line
from mlp_cli.config.components import FromOthers, Options, key, plain
from mlp_cli.config.dataset_options import (
    TABLES,
    TEXT,
    Data,
    Within,
    amount,
    check_amount,
    check_subset,
    generated,
    texts,
    with_path,
    within,
)
from mlp_cli.config.resolved import show
from mlp_cli.config.values import Checked, empty_or, file_path, number, one_of, or_none, wrong
from mlp_cli.data import catalogue
from mlp_cli.data.load import HELD_OUT_BY
from mlp_cli.data.own import is_table
from mlp_cli.data.splits import PRESET_VALIDATION, splits
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
        hint = f"; for your own data write {{path: {one_line(show(value), 40)}}}"
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


def _target(value: Any, data: Data) -> str | None:
    if value is None and data.get("path") is not None and is_table(data["path"]):
        raise wrong("a table needs a target; add target: COLUMN, the column to predict")
    return None if value is None else str(with_path(TEXT, None, is_table, TABLES).resolve(value, data))


_NUMBER = re.compile(r"\s*[-+]?([0-9.,_]+([eE][-+]?[0-9]+)?%?|nan|inf|infinity)\s*", re.IGNORECASE)


def _validation(value: Any, data: Data) -> int | float | str | None:
    if not {"name", "path", "split"} <= data.keys():
        return None
    name, split = data["name"], data["split"]
    if value is None:
        return _own_validation(name, split)
    if not isinstance(value, str) or not value or _NUMBER.fullmatch(value):
        return check_amount(value, 0)
    if data["path"] is None:
        raise wrong(f"must be a count or a fraction of the rows of {name}; a path goes with a path of your own data")
    if split != "stratified":
        raise wrong(f"is a part of its own, and split: {split} would choose one; remove split")
    return str(file_path().check(value))


def _own_validation(name: str | None, split: str) -> int | float | None:
    """What a dataset sets aside if its config does not say; None where only its files can tell."""
    if split in PRESET_VALIDATION:
        return PRESET_VALIDATION[split]
    official = None if name is None else catalogue.entry(name).official_validation
    if split == "official" and (official is not None or name is None):
        return official
    return catalogue.PATH_VALIDATION if name is None else catalogue.entry(name).validation


def _test(value: Any, data: Data) -> int | float | None:
    if not {"name", "split"} <= data.keys():
        return None
    entry = None if data["name"] is None else catalogue.entry(data["name"])
    if value is None:
        return entry.held_out if entry and data["split"] in HELD_OUT_BY else None
    rows = check_amount(value, 0)
    if rows and entry and entry.test and data.get("test_rows") != 0:
        raise wrong(f"{entry.name} has a test part of its own; remove test")
    if rows and data["split"] not in HELD_OUT_BY:
        raise wrong(f"does not go with split: {data['split']}; remove test, or write split: {either(HELD_OUT_BY)}")
    if rows and data.get("test_path") is not None:
        raise wrong("test_path gives the test rows already; remove one")
    return rows


def _scale(value: Any, data: Data) -> str:
    if value is not None:
        return str(one_of(*SCALES).check(value))
    if data.get("name") is not None:
        return catalogue.entry(data["name"]).scale
    return "standard" if is_table(data.get("path") or "") else "unit"


_NAME = Checked(_check_name, {"enum": list(catalogue.names())})
_ROWS = {"anyOf": [amount(0).schema, {"type": "string", "minLength": 1}]}


class Dataset(Options):
    """The data, and how it is split and scaled."""

    always_written: ClassVar[frozenset[str]] = frozenset({"split", "split_seed", "validation", "scale", "limit"})
    """All other keys are left out where they are None, since they do not apply then."""

    name: Annotated[str | None, or_none(_NAME)] = key("a set that is known by name", None)
    path: Annotated[str | None, or_none(file_path()), AfterValidator(_either)] = key(
        "a file or folder of your own, in place of a name", None
    )
    subset: Annotated[str | None, within(TEXT, check_subset)] = key("which of the subsets that go by the name", FromOthers)
    rows: Annotated[int | None, generated("rows")] = key("generated sets: training rows", FromOthers)
    test_rows: Annotated[int | None, generated("test_rows")] = key("generated sets: test rows", FromOthers)
    class_count: Annotated[int | None, generated("class_count")] = key("generated sets: number of classes", FromOthers)
    noise: Annotated[float | None, generated("noise")] = key(
        "generated sets: standard deviation of the noise on each coordinate", FromOthers
    )
    turns: Annotated[float | None, generated("turns")] = key("spirals: how far an arm winds, in full turns", FromOthers)
    data_seed: Annotated[int | None, generated("data_seed")] = key("generated sets: fixes the points", FromOthers)
    labels: Annotated[
        str | None, with_path(file_path(), None, lambda path: ".npy" in path, "the path of a .npy file of inputs")
    ] = key("the .npy file of labels that belongs to a .npy file of inputs", FromOthers)
    test_path: Annotated[str | None, with_path(file_path(), None, lambda path: True, "a path of your own data")] = key(
        "the test part, where it is a file or folder of its own", FromOthers
    )
    target: Annotated[str | None, within(TEXT, _target)] = key("tables: the column to predict", FromOthers)
    drop: Annotated[tuple[str, ...] | None, with_path(texts("columns"), (), is_table, TABLES)] = key(
        "tables: columns to leave out", FromOthers
    )
    categorical: Annotated[tuple[str, ...] | None, with_path(texts("columns"), (), is_table, TABLES)] = key(
        "tables: columns of numbers that are categories all the same; texts always are", FromOthers
    )
    missing: Annotated[str | None, with_path(one_of("error", "mean"), "error", is_table, TABLES)] = key(
        "tables: what to do about missing values; mean fills them from the training rows", FromOthers
    )
    classes: Annotated[tuple[str, ...] | None, or_none(texts("classes", 2))] = key(
        "classes to keep, in this order; all others are left out", None
    )
    split: Annotated[str, one_of(*splits)] = key("how the validation rows are chosen", "stratified")
    split_seed: Annotated[int, number(int, Range(ge=0, le=2**32 - 1))] = key(
        "the seed of that choice, which the run's seed never changes", 0
    )
    validation: Annotated[
        int | float | str | None, Within(amount(0).check, {"anyOf": [*_ROWS["anyOf"], {"type": "null"}]}, _validation)
    ] = key("rows set aside for validation: a count, a fraction, 0 for none, a path, null for the set's own number", FromOthers)
    test: Annotated[int | float | None, within(amount(0), _test)] = key(
        "rows set aside for testing where the set has no test part: a count, a fraction, or 0 for none", FromOthers
    )
    scale: Annotated[str, Within(TEXT.check, {"anyOf": [one_of(*SCALES).schema, {"type": "null"}]}, _scale)] = key(
        "how the inputs are scaled, fitted on the training part", FromOthers
    )
    limit: Annotated[int | float | None, or_none(amount(1))] = key(
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


def followed(option: str, dataset: Mapping[str, Any]) -> Any:
    """The default of an option of the mapping that follows from its other keys, as a plain value.

    Errors: UsageError for a set that is not known; the config's own for an option that must be given.
    """
    mark = next(mark for mark in Dataset.model_fields[option].metadata if isinstance(mark, Within))
    return plain(mark.resolve(None, {"name": None, "path": None, "split": "stratified"} | dict(dataset)))
