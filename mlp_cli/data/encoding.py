"""A table of the user's own as a set: its target, and its columns as numbers, both by what the training rows hold."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mlp_cli.data.arrays import check_classes
from mlp_cli.data.dataset import Array, RawSet, Task
from mlp_cli.data.own import Own, is_table, resolved, set_name, text_of
from mlp_cli.data.tables import KEEP, Table, decide, number, quoted, read_table
from mlp_cli.errors import DataError
from mlp_cli.text import counted, listed

MOST_CATEGORIES = 1_000
"""So many different texts one column may hold; more are dates, names or numbers of rows, and no categories."""
_FEW_TEXTS = 20
"""So many different texts are categories even where each row has another."""
LARGEST_MATRIX = 4 << 30
"""Bytes that an encoded table may take."""


@dataclass(frozen=True)
class Feature:
    """How one column enters the matrix. categories: one matrix column each; None for a column of numbers, which is one as it is.

    fill: what stands in for a missing value, a number or a category; None where a missing value is an error.
    """

    name: str
    categories: tuple[str, ...] | None
    fill: float | str | None

    def names(self) -> list[str]:
        """What its columns of the matrix are: the column's name, or name=category."""
        return [self.name] if self.categories is None else [f"{self.name}={category}" for category in self.categories]

    def values(self, table: Table) -> Array:
        """The column's numbers (N,), gaps filled; of texts the places of their categories, −1 for none."""
        column = table.frame[self.name]
        if self.categories is None:
            return column.to_numpy() if self.fill is None else column.fillna(self.fill).to_numpy()
        places = column.cat.set_categories(self.categories).cat.codes.to_numpy(np.intp, copy=True)
        if self.fill is not None:
            places[column.isna()] = self.categories.index(str(self.fill))
        return places


@dataclass(frozen=True)
class TableEncoding:
    """From columns to a matrix, made by `fit_encoding`; plain values, so that a model's file can hold them.

    A category that the training rows lack gives zeros in all columns of its feature, and a notice.
    """

    features: tuple[Feature, ...]

    @classmethod
    def of_numbers(cls, names: Sequence[str]) -> TableEncoding:
        """That of columns of numbers, which enter as they are."""
        return cls(tuple(Feature(name, None, None) for name in names))

    def names(self) -> tuple[str, ...]:
        """What each of the D columns of the matrix is: a column's name, or name=category."""
        return tuple(name for feature in self.features for name in feature.names())

    def apply(self, table: Table, dtype: DTypeLike = np.float64) -> Array:
        """The matrix (N, D), a new array. The table must have been read for this encoding, or be the one it was fitted on.

        Errors: DataError for a missing value that is not to be filled, and a matrix beyond all memory.
        """
        refuse_missing(table, [feature.name for feature in self.features if feature.fill is None])
        widths = [len(feature.names()) for feature in self.features]
        size = len(table) * sum(widths) * np.dtype(dtype).itemsize
        if size > LARGEST_MATRIX:
            widest = self.features[int(np.argmax(widths))].name
            hint = f"column {widest} alone has {max(widths):,} categories; drop it, or use fewer rows"
            raise table.error(f"its {len(table):,} rows would take {size / 2**30:.1f} GiB once encoded", hint)
        matrix = np.empty((len(table), sum(widths)), dtype=dtype)
        for feature, width, end in zip(self.features, widths, np.cumsum(widths), strict=True):
            values = feature.values(table)[:, None]
            matrix[:, end - width : end] = values if feature.categories is None else values == np.arange(width)
        return matrix

    def notices(self, table: Table) -> tuple[str, ...]:
        """What a user should be told about categories that the training rows lack."""
        found = []
        for feature in self.features:
            column = table.frame[feature.name]
            new = column.notna() & (feature.values(table) < 0)
            if feature.categories is not None and new.any():
                has = f"{table.path}: column {feature.name} has {quoted(column[new].iloc[0])} {table.where(new)}"
                as_what = f"encoded as none of its {len(feature.categories):,} categories"
                found.append(f"{has}, which the training rows lack: {as_what}")
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"features": [asdict(feature) for feature in self.features]}

    @staticmethod
    def from_dict(stored: Any) -> TableEncoding:
        """What `to_dict` gave, also after JSON. Errors: DataError where it is something else."""
        from pydantic import TypeAdapter

        with suppress(ValueError):
            found: TableEncoding = TypeAdapter(TableEncoding).validate_python(stored)
            filled = (one for one in found.features if one.fill is not None)
            if all(isinstance(one.fill, float) if one.categories is None else one.fill in one.categories for one in filled):
                return found
        raise DataError("not the encoding of a table")


def fit_encoding(table: Table, rows: NDArray[np.intp], missing: str = "error") -> TableEncoding:
    """The encoding of all feature columns, its categories and fillings taken from the given (training) rows alone.

    missing: `mean` fills gaps with the column's mean, for texts with the most frequent one (of equally frequent ones the first in
    order); else a table with a gap anywhere is refused. Errors: DataError that names the column, the place and the count.
    """
    if missing != "mean":
        refuse_missing(table, table.features)
    features = []
    for name in table.features:
        values, texts = table.values(name)[rows], table.texts(name)
        known = values[~np.isnan(values)] if texts is None else values[values >= 0]
        if not len(known):
            raise table.error(f"column {name} has no value in any training row", f"drop it: drop: [{name}]")
        if texts is None:
            # Divided before summing, which cannot overflow.
            features.append(Feature(name, None, float(np.sum(known / len(known))) if missing == "mean" else None))
            continue
        counts = np.bincount(known, minlength=len(texts))
        categories = tuple(texts[place] for place in np.flatnonzero(counts))
        if len(categories) > MOST_CATEGORIES:
            told = f"column {name} has {len(categories):,} different texts, such as {quoted(categories[0])}"
            hint = f"drop it (drop: [{name}]), or turn its dates or names into numbers or groups"
            raise table.error(f"{told}; as categories at most {MOST_CATEGORIES:,} are taken", hint)
        features.append(Feature(name, categories, texts[int(np.argmax(counts))] if missing == "mean" else None))
    return TableEncoding(tuple(features))


def refuse_missing(table: Table, names: Sequence[str]) -> None:
    """Errors: DataError where one of these columns has a gap."""
    gaps = [name for name in names if table.frame[name].hasnans]
    if gaps:
        others = f"; so has column {gaps[1]}" if gaps[1:] else ""
        hint = "dataset.missing: drop leaves such rows out"
        if gaps[0] in table.features:
            hint += "; dataset.missing: mean fills gaps"
        if word := table.words.get(gaps[0]):
            hint += f"; where {word} is a value: {KEEP}"
        raise table.error(f"column {gaps[0]} has no value {table.where(table.frame[gaps[0]].isna())}{others}", hint)


class Target(NamedTuple):
    """What is to be predicted. classes: K names for y (N,) int64 from 0 to K − 1, or for labels y (N, K) uint8 of 0 and 1; empty for
    regression with y (N,) float64."""

    task: Task
    classes: tuple[str, ...]
    y: Array
    notices: tuple[str, ...] = ()


def read_target(table: Table, task: Task | None = None, classes: Sequence[str] | None = None) -> Target:
    """The table's target as class numbers or quantities.

    task: regression where the loss asks for it. Several targets are labels, columns of 0 and 1. Else texts and whole numbers are
    classes, whatever type they are stored in, and other numbers are quantities. classes: the names from training, for a table of test
    rows; else the different values, numbers in their order, texts in theirs. Errors: DataError for a missing value, which is never
    filled, for one class only, too many or unknown ones, and for a quantity that is no number or not finite.
    """
    refuse_missing(table, table.own.targets)
    if len(table.own.targets) > 1:
        return Target("multi_label", table.own.targets, np.column_stack([_label(table, name) for name in table.own.targets]))
    (name,) = table.own.targets
    if task == "regression":
        return Target(task, (), decide(table, name, "numbers")[0].to_numpy())
    texts = table.frame[name].cat.remove_unused_categories()
    column, notice = decide(table, name) if classes is None else (texts, "")
    numbers = column.dtype.kind == "f"
    if numbers and (column % 1 != 0).any():
        return Target("regression", (), column.to_numpy())
    as_they_are = classes or (() if numbers else texts.cat.categories)
    called = [text if text in as_they_are else _class(text, table) for text in texts.cat.categories]
    known = classes or sorted(set(called), key=int if numbers else None)
    position = {text: place for place, text in enumerate(known)}
    y = np.array([position.get(text, -1) for text in called], dtype=np.int64)[texts.cat.codes]
    if (y < 0).any():
        reason = f"target {name} has {quoted(texts[y < 0].iloc[0])} {table.where(y < 0)}, which is no class of training"
        raise table.error(reason, f"known: {listed(known, 20)}")
    told = check_classes(f"{table.path}: target {name}", known, np.bincount(y), numbers) if classes is None else ()
    return Target("classification", tuple(known), y, (*filter(None, [notice]), *told))


def _label(table: Table, name: str) -> Array:
    """A column of labels, (N,) uint8. Errors: DataError for anything but 0 and 1."""
    column = decide(table, name, "numbers")[0]
    wrong = ~column.isin([0, 1])
    if wrong.any():
        told = f"target {name} has {column[wrong].iloc[0]:g} {table.where(wrong)}"
        raise table.error(f"{told}; several targets are labels, each a column of 0 and 1")
    return column.to_numpy(np.uint8)


def _class(text: str, table: Table) -> str:
    """The name of a class that is a whole number, however it is written: 1 for 1.0; other texts as they are."""
    value = number(text, table.own.read)
    if value is None or value % 1 != 0:
        return text
    return str(int(text)) if text.lstrip("+-").isdecimal() else f"{value + 0:.0f}"


def read_own_table(path: str | Path, own: Own, task: Task | None) -> RawSet:
    """The set in the user's tables, as far as it is known before the split. task: regression where the config's loss asks for it.

    Its x are the columns' values and category numbers, which tell equal rows; `encode` gives the real ones. The rows of a validation
    table come last in the training arrays, and `official_validation` counts them.
    Errors: DataError with the file, the column and the line.
    """
    tables, targets, numbers, sizes = dict[str, Table](), dict[str, Target](), dict[str, Array](), dict[str, int]()
    like, wanted, known = None, own, None
    for part, given in (("train", path), ("validation", own.validation_path), ("test", own.test_path)):
        if given is None:
            continue
        file = resolved(given)
        if file.is_dir() or not is_table(file):
            raise DataError(f"{file}: not a table, and {Path(path).name} is one by its name", "give all parts in the same format")
        table = read_table(file, wanted, like)
        if own.target is None:
            raise DataError(f"{file}: which column is to be predicted?", f"add target: COLUMN; columns: {listed(table.features)}")
        tables[part], numbers[part] = _without_gaps(table)
        sizes[part] = len(table)
        targets[part] = read_target(tables[part], task, known)
        if like is None:
            like = TableEncoding(tuple(Feature(name, table.texts(name), None) for name in table.features))
            wanted = replace(own, drop=(), categorical=(), groups=None, order=None)
            task, known = targets[part].task, targets[part].classes or None
    target, test = targets["train"], targets.get("test")
    parts = [part for part in ("train", "validation") if part in tables]
    names = tables["train"].features
    x = np.concatenate([np.column_stack([tables[part].values(name) for name in names]) for part in parts])
    if "validation" in numbers:
        numbers["train"] = np.concatenate([numbers["train"], sizes["train"] + numbers["validation"]])
    return RawSet(
        name=set_name(resolved(path)),
        task=target.task,
        shape=x.shape[1:],
        classes=target.classes,
        train_x=x.astype(np.float64, copy=False),
        train_y=np.concatenate([targets[part].y for part in parts]),
        test_x=None if test is None else np.zeros((len(test.y), len(names))),
        test_y=None if test is None else test.y,
        train_rows=numbers["train"],
        test_rows=numbers.get("test"),
        official_validation=len(tables["validation"]) if "validation" in tables else None,
        notices=tuple(notice for part, one in tables.items() for notice in (*one.notices, *targets[part].notices)),
        source=f"file {text_of(resolved(path))}",
        tables=tables,
    )


def ready_to_split(whole: RawSet) -> RawSet:
    """A set of tables with its hash, and with the groups and the order in time of its rows where they decide a split.

    Errors: DataError for a gap in their columns, and for an order of neither numbers nor dates.
    """
    table, groups, order = whole.tables["train"], None, None
    refuse_missing(table, [column for column in (table.own.groups, table.own.order) if column is not None])
    if whole.official_validation is None:
        groups = None if table.own.groups is None else table.values(table.own.groups).astype(np.int64)
        order = None if table.own.order is None else _order(table, table.own.order)
    sums = [one.sha256() for one in whole.tables.values()]
    sha256 = sums[0] if len(sums) == 1 else hashlib.sha256(" ".join(sums).encode()).hexdigest()
    return replace(whole, groups=groups, order=order, sha256=sha256)


def encode(whole: RawSet, rows: NDArray[np.intp]) -> tuple[RawSet, TableEncoding]:
    """A set of tables with its inputs as matrices, by an encoding fitted on the given training rows. Errors: DataError."""
    train = whole.tables["train"]
    encoding = fit_encoding(train, rows, train.own.missing)
    matrices = {part: encoding.apply(table) for part, table in whole.tables.items()}
    x = np.concatenate([matrices[part] for part in ("train", "validation") if part in matrices])
    told = (notice for table in whole.tables.values() for notice in encoding.notices(table))
    notices = (*whole.notices, *_told_of_texts(train, encoding, rows), *told)
    return replace(whole, shape=x.shape[1:], train_x=x, test_x=matrices.get("test"), notices=notices), encoding


def _told_of_texts(table: Table, encoding: TableEncoding, rows: NDArray[np.intp]) -> Iterator[str]:
    """What becomes of missing texts, and which columns have another text in nine of ten (training) rows or more."""
    for feature in encoding.features:
        if feature.categories is None:
            continue
        column, count = table.frame[feature.name], len(feature.categories)
        if feature.fill is not None and column.hasnans:
            gaps = counted(int(column.isna().sum()), "missing text")
            told = f"column {feature.name}: {gaps} filled with {quoted(feature.fill)}, its most frequent one"
            yield f"{table.path}: {told}"
        if count > _FEW_TEXTS and count >= 0.9 * len(rows):
            each = f"another text in each of {count:,} rows" if count == len(rows) else f"{count:,} texts in {len(rows):,} rows"
            yield f"{table.path}: column {feature.name} has {each}; dataset.drop: [{feature.name}] leaves it out"


def _without_gaps(table: Table) -> tuple[Table, Array]:
    """With `missing: drop` the rows that have a value in every column, with a notice; and their numbers in the file.

    Errors: DataError where none is left.
    """
    gaps = table.frame.isna().any(axis=1).to_numpy()
    if table.own.missing != "drop" or not gaps.any():
        return table, np.arange(len(table))
    if gaps.all():
        raise table.error(
            "every row has a gap, and dataset.missing: drop leaves none", "leave out the columns with most gaps: drop: […]"
        )
    told = f"{table.path}: {gaps.sum():,} of {len(table):,} rows have gaps and are left out"
    return replace(table.kept(~gaps), notices=(*table.notices, told)), np.flatnonzero(~gaps)


def _order(table: Table, name: str) -> Array:
    """Sort keys of a column of numbers or dates, (N,) int64 or float64. Errors: DataError for others, and for dates of two readings."""
    import pandas

    column = table.frame[name].cat.remove_unused_categories()
    texts = list(column.cat.categories)
    numbers = [number(text, table.own.read) for text in texts]
    readings: list[Array] = []
    if None not in numbers:
        exact = all(text.lstrip("+-").isdecimal() and abs(int(text)) < 1 << 63 for text in texts)
        readings.append(np.array([int(text) for text in texts] if exact else numbers))
    for first in (False, True) if None in numbers else ():
        with warnings.catch_warnings(), suppress(ValueError, OverflowError):
            # Of the order of day and month, which is looked at here.
            warnings.simplefilter("ignore")
            dates = pandas.to_datetime(pandas.Series(texts, dtype=object), dayfirst=first, utc=True)
            readings.append(dates.to_numpy("datetime64[us]").astype(np.int64))
    if not readings or (readings[0].argsort() != readings[-1].argsort()).any():
        fault = "can be read in two ways" if readings else "are neither numbers nor dates"
        raise table.error(f"order: cells of column {name}, such as {quoted(texts[0])}, {fault}", "write dates as 2024-12-31")
    return readings[0][column.cat.codes]
