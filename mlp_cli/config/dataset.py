"""The `dataset` key: a name, or a mapping with a name or a path and options."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, Strict, ValidationInfo, field_validator
from typing_extensions import Doc

from mlp_cli.config.components import Options, one_of, wrong
from mlp_cli.data import catalogue
from mlp_cli.data.load import HELD_OUT_BY, usual_options
from mlp_cli.data.splits import splits
from mlp_cli.data.synthetic import Classes, DataSeed, Noise, Rows, TestRows, Turns
from mlp_cli.data.transforms import SCALES
from mlp_cli.registry import MOST, Count, Range, Seed, did_you_mean
from mlp_cli.text import either, listed

_TABLES = "the path of a table (.csv, .tsv or .parquet)"
GENERATED = ("rows", "test_rows", "class_count", "noise", "turns", "data_seed")
"""Options of the sets that are generated."""
FOLLOWING: dict[str, str | None] = {
    **dict.fromkeys(("validation", "test", "scale", "subset", *GENERATED)),
    "labels": "the path of a .npy file of inputs",
    **dict.fromkeys(("sha256", "test_path"), "a path of your own data"),
    **dict.fromkeys(("target", "drop", "categorical", "missing", "groups", "order", "read"), _TABLES),
}
"""Options whose defaults follow from the set (see `usual_options`): the paths they go with; None where known sets take them too."""


def usual(key: str, config: Mapping[str, Any]) -> Any:
    """The default of an option in a config of plain values; None where it does not apply, or where only the files can tell."""
    dataset = config["dataset"]
    return usual_options(dataset.get("name"), dataset.get("path"), dataset.get("split", "stratified")).get(key)


def _plain_path(value: Any) -> str:
    """`./a//b` becomes `a/b`."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise wrong("must be a path")
    return str(PurePosixPath(value))


def _hex_digits(value: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", value):
        raise wrong("must be 64 hex digits, as data.sha256 of a run.json has them")
    return value


def _as_text(value: Any) -> Any:
    return str(value) if type(value) in (int, float) else value


def _distinct(value: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(value)) < len(value):
        raise wrong(f"has {next(item for item in value if value.count(item) > 1)} twice")
    return value


Share = Annotated[float, Range(gt=0, lt=1)]
Whole = Annotated[int, Range(ge=0, le=MOST)]
FilePath = Annotated[str, BeforeValidator(_plain_path)]
Text = Annotated[str, Field(min_length=1), BeforeValidator(_as_text, str | int)]
Texts = Annotated[tuple[Text, ...], Strict(False), AfterValidator(_distinct)]
Two = Annotated[tuple[Text, ...], Field(min_length=2), Strict(False), AfterValidator(_distinct)]
Word = Annotated[str, BeforeValidator(_as_text, str | int | float)]
Words = Annotated[tuple[Word, ...], Strict(False), AfterValidator(_distinct)]
Name = Annotated[str, one_of(*catalogue.names())]
Scale = Annotated[str, one_of(*SCALES, 256), AfterValidator(str)]


def _as_it_is_written(schema: dict[str, Any]) -> None:
    """The JSON Schema without defaults that follow from others."""
    schema["oneOf"] = [{"required": ["name"]}, {"required": ["path"]}]
    for key in FOLLOWING:
        del schema["properties"][key]["default"]


class Reading(Options):
    """How the text of a table is cut into cells, as `pandas.read_csv` does it."""

    sep: Annotated[str | None, Doc("What stands between cells: a character, or \\s+ for blanks; by default what suits.")] = None
    decimal: Annotated[Literal[".", ","], Doc("The decimal point.")] = "."
    thousands: Annotated[Literal[",", ".", " ", "'", "_"] | None, Doc("What groups thousands.")] = None
    header: Annotated[Whole | Literal["infer", "none"] | None, Doc("The row of names, from 0; none: there is none.")] = "infer"
    na_values: Annotated[Words, Doc("Further cells that stand for a missing value.")] = ()
    keep_default_na: Annotated[bool, Doc("Whether NA, None, null and their like stand for a missing value.")] = True
    encoding: Annotated[str | None, Doc("How the text is encoded, such as cp1252; by default UTF-8.")] = None

    @field_validator("sep", "thousands", "header", "encoding")
    @classmethod
    def _can_be_used(cls, value: Any, info: ValidationInfo) -> Any:
        key = info.field_name
        if key == "sep" and value is not None and not re.fullmatch(r"[^\w\r\n\"'.+-]|\\s\+", value):
            raise wrong('must be one character that stands in no cell, such as ";", or \\s+ for blanks')
        if key == "thousands" and value is not None and value == info.data.get("decimal"):
            raise wrong("is the decimal point as well; set decimal")
        if key == "encoding" and value is not None:
            try:
                "".encode(value)
            except (LookupError, ValueError):
                raise wrong("is no encoding that Python knows; write utf-8, utf-16, cp1252 or another") from None
        return "none" if key == "header" and value is None else value


Told = Annotated[Reading | None, AfterValidator(lambda read: None if read == Reading() else read)]


class Dataset(Options):
    """The data, and how it is split and scaled."""

    model_config = ConfigDict(json_schema_extra=_as_it_is_written)
    always_written: ClassVar = frozenset({"split", "split_seed", "validation", "scale", "limit"})
    """All other keys are left out where they are None, since they do not apply then."""

    name: Annotated[Name | None, Doc("A set that is known by name.")] = None
    path: Annotated[FilePath | None, Doc("A file or folder of your own, in place of a name.")] = None
    sha256: Annotated[
        Annotated[str, AfterValidator(_hex_digits)] | None,
        Doc("What the data must be, wherever it lies; other data is refused. The run then goes by this and not by the path."),
    ] = None
    subset: Annotated[str | None, Doc("Which of the subsets that go by the name.")] = None
    rows: Rows | None = None
    test_rows: TestRows | None = None
    class_count: Classes | None = None
    noise: Noise | None = None
    turns: Turns | None = None
    data_seed: DataSeed | None = None
    labels: Annotated[FilePath | None, Doc("The .npy file of labels that belongs to a .npy file of inputs.")] = None
    test_path: Annotated[FilePath | None, Doc("The test part, where it is a file or folder of its own.")] = None
    target: Annotated[
        Text | Two | None, Doc("The column of a table to predict; a list names columns of 0 and 1, which are labels.")
    ] = None
    drop: Annotated[Texts | None, Doc("Columns of a table to leave out.")] = None
    categorical: Annotated[Texts | None, Doc("Columns of numbers that are categories; columns of text always are.")] = None
    target_scale: Annotated[
        Literal["standard", "log", "none"], Doc("How the targets of a quantity are scaled, fitted on the training part.")
    ] = "standard"
    missing: Annotated[
        Literal["error", "mean", "drop"] | None,
        Doc("Gaps in a table are an error, the mean fills them, or their rows are left out."),
    ] = None
    read: Annotated[Told | None, Doc("How the text of a table is cut into cells.")] = None
    groups: Annotated[Text | None, Doc("For split: group: the column of a table whose equal values stay in one part.")] = None
    order: Annotated[Text | None, Doc("For split: time: the column of a table by which the earliest rows train.")] = None
    classes: Annotated[Two | None, Doc("Classes to keep, in this order; all others are left out.")] = None
    split: Annotated[str, one_of(*splits), Doc("How the validation rows are chosen.")] = "stratified"
    split_seed: Annotated[Seed, Doc("The seed of that choice, which the run's seed never changes.")] = 0
    validation: Annotated[
        Whole | Share | FilePath | None, Doc("Validation rows: a count, a fraction, 0 for none, or a path.")
    ] = None
    test: Annotated[Whole | Share | None, Doc("Rows set aside for testing where the set has no test part.")] = None
    scale: Annotated[Scale | None, Doc("How the inputs are scaled, fitted on the training part; null: what suits them.")] = None
    limit: Annotated[Count | Share | None, Doc("Training rows to use, each class in its share.")] = None

    @field_validator(*FOLLOWING, "limit", mode="before")
    @classmethod
    def _goes_with_the_set(cls, value: Any, info: ValidationInfo) -> Any:
        """Fills an option that is left out or null. Refuses one of other sets."""
        key, name, path = str(info.field_name), info.data.get("name"), info.data.get("path")
        if key in ("validation", "test", "limit") and isinstance(value, float) and value == 1:
            raise wrong("is ambiguous; write 1 for one row, or a fraction less than 1")
        if key == "limit":
            return value
        taken = usual_options(name, path, info.data.get("split", ""))
        if key == "test" and isinstance(value, str) and re.search(r"[./\\]", value.strip(".0123456789")):
            raise wrong(f"must be a number of rows; a file with the test rows goes in test_path: {value}")
        if value is None and key == "target" and key in taken:
            raise wrong("a table needs a target; add target: COLUMN, the column to predict")
        if key == "subset" and value is not None and name is not None:
            known = catalogue.subset_names(name)
            if known and value not in known:
                raise wrong(f"must be {either(known)}{did_you_mean(str(value), known)}")
        if value is None or key in taken or (name is None and path is None):
            return taken.get(key) if value is None else value
        if FOLLOWING[key]:
            raise wrong(f"goes with {FOLLOWING[key]} alone")
        takers = [other for other in catalogue.names() if key in usual_options(other, None, "")]
        raise wrong(f"{name or 'a set given by path'} does not take it; {key} is an option of {either(takers, 'and')}")

    @field_validator("path", "split", "validation", "test")
    @classmethod
    def _goes_with_the_rest(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuses what does not go with the keys before it."""
        key, before = info.field_name, info.data
        name, split = before.get("name"), before.get("split", "stratified")
        if key == "path" and value is not None and name is not None:
            raise wrong("a dataset has a name or a path, not both; remove one")
        if key == "path" and value is None and before.get("name", "") is None:
            raise wrong(f"has no name and no path; add a name (known: {listed(catalogue.names())}), or the path of your own data")
        for only, column in (("group", "groups"), ("time", "order")) if key == "split" else ():
            given = before.get(column, "")
            if value == only and given is None:
                raise wrong(f"needs {column}: COLUMN; it goes with {_TABLES}")
            if value != only and given:
                raise wrong(f"{column}: {given} goes with split: {only} alone; add it, or write drop: [{given}]")
        if key == "validation" and isinstance(value, str):
            if re.fullmatch(r"[-+0-9.,_%eE]+", value):
                raise wrong("must be a number of rows, or a path")
            if name is not None:
                raise wrong(f"must be a count or a fraction of the rows of {name}; a path goes with a path of your own data")
            if split != "stratified":
                raise wrong(f"is a part of its own, and split: {split} would choose one; remove split")
        if key == "test" and value:
            if name is not None and catalogue.entry(name).test and before.get("test_rows") != 0:
                raise wrong(f"{name} has a test part of its own; remove test")
            if split not in HELD_OUT_BY:
                raise wrong(f"does not go with split: {split}; remove test, or write split: {either(HELD_OUT_BY)}")
            if before.get("test_path") is not None:
                raise wrong("test_path gives the test rows already; remove one")
        return value
