"""A table as a matrix of numbers: categories one-hot, gaps filled, all fitted on training rows alone; and its target."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mlp_cli.data.dataset import Array, Task
from mlp_cli.data.table import Column, Table, column_of_numbers, listed, number, refuse_mixed, short, such
from mlp_cli.errors import DataError
from mlp_cli.registry import did_you_mean

Missing = Literal["error", "mean"]

MOST_CATEGORIES = 1_000
"""So many different texts one column may hold; more are dates, names or numbers of rows, and no categories."""
FEW_CLASSES = 100
"""A target of whole numbers with at most so many different values is taken for class numbers, else for a quantity."""
LARGEST_MATRIX = 4 << 30
"""Bytes that an encoded table may take."""

_LISTED = 20


@dataclass(frozen=True)
class Feature:
    """How one column enters the matrix. categories: one matrix column each; None for a column of numbers, which is one as it is.

    fill: what stands in for a missing value, a number or a category; None where a missing value is an error.
    """

    name: str
    categories: tuple[str, ...] | None
    fill: float | str | None


@dataclass(frozen=True)
class TableEncoding:
    """From columns to a matrix, made by `fit_encoding`; plain values, so that a model's file can hold them.

    A category that the training rows lack gives zeros in all columns of its feature, and a notice.
    """

    features: tuple[Feature, ...]

    def names(self) -> tuple[str, ...]:
        """What each of the D columns of the matrix is: a column's name, or name=category."""
        return tuple(
            feature.name if category is None else f"{feature.name}={category}"
            for feature in self.features
            for category in (feature.categories if feature.categories is not None else (None,))
        )

    def apply(self, table: Table, dtype: DTypeLike = np.float64) -> Array:
        """The matrix (N, D), a new array. The table must have been read for this encoding, or be the one it was fitted on.

        Errors: DataError for a missing value that is not to be filled, a missing column, and a matrix beyond all memory.
        """
        columns = self._columns(table)
        _refuse_missing(table, [column for column, feature in zip(columns, self.features, strict=True) if feature.fill is None])
        _check_size(table, self.features, np.dtype(dtype).itemsize)
        matrix = np.zeros((len(table), sum(map(_width, self.features))), dtype=dtype)
        at = 0
        for feature, column in zip(self.features, columns, strict=True):
            if feature.categories is None:
                matrix[:, at] = column.values if feature.fill is None else np.where(column.missing(), feature.fill, column.values)
            else:
                number = _numbers_in(feature, column)
                rows = np.flatnonzero(number >= 0)
                matrix[rows, at + number[rows]] = 1
            at += _width(feature)
        return matrix

    def notices(self, table: Table) -> tuple[str, ...]:
        """What a user should be told about categories that the training rows lack."""
        found = []
        for feature, column in zip(self.features, self._columns(table), strict=True):
            if feature.categories is None or column.texts is None:
                continue
            new = (_numbers_in(feature, column) < 0) & ~column.missing()
            if new.any():
                text = column.texts[column.values[np.argmax(new)]]
                found.append(
                    f"{table.path}: column {feature.name} has {short(text)} {table.where(new)}{such(new)}, "
                    f"which the training rows lack: encoded as none of its {len(feature.categories):,} categories"
                )
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"features": [asdict(feature) for feature in self.features]}

    @staticmethod
    def from_dict(stored: Any) -> TableEncoding:
        """What `to_dict` gave, also after JSON. Errors: DataError where it is something else."""
        try:
            features = tuple(_restored(**item) for item in stored["features"])
        except (TypeError, KeyError, ValueError) as error:
            raise DataError("not the encoding of a table") from error
        return TableEncoding(features)

    def _columns(self, table: Table) -> list[Column]:
        named = {column.name: column for column in table.columns}
        for feature in self.features:
            if feature.name not in named:
                raise table.error(f"lacks column {feature.name}{did_you_mean(feature.name, named)}", listed(tuple(named)))
            if (feature.categories is None) != (named[feature.name].texts is None):
                kinds = ("numbers", "texts") if feature.categories is None else ("texts", "numbers")
                raise table.error(f"column {feature.name} had {kinds[0]} in training and has {kinds[1]} here")
        return [named[feature.name] for feature in self.features]


def fit_encoding(table: Table, rows: NDArray[np.intp], missing: Missing = "error") -> TableEncoding:
    """The encoding of all feature columns, its categories and fillings taken from the given (training) rows alone.

    missing: `error` refuses a table with a gap anywhere; `mean` fills gaps with the column's mean, for texts with the most frequent
    one (of equally frequent ones the first in order). Errors: DataError that names the column, the place and the count.
    """
    if missing == "error":
        _refuse_missing(table, table.columns)
    return TableEncoding(tuple(_fit_column(table, column, rows, missing) for column in table.columns))


def _fit_column(table: Table, column: Column, rows: NDArray[np.intp], missing: Missing) -> Feature:
    values = column.values[rows]
    known = values[~column.missing()[rows]]
    if not len(known):
        raise table.error(f"column {column.name} has no value in any training row", f"drop it: drop: [{column.name}]")
    if column.texts is None:
        # Divided before summing, which cannot overflow.
        return Feature(column.name, None, float(np.sum(known / len(known))) if missing == "mean" else None)
    counts = np.bincount(known, minlength=len(column.texts))
    categories = tuple(column.texts[number] for number in np.flatnonzero(counts))
    if len(categories) > MOST_CATEGORIES:
        raise table.error(
            f"column {column.name} has {len(categories):,} different texts, such as {short(categories[0])}; "
            f"as categories at most {MOST_CATEGORIES:,} are taken",
            f"drop it (drop: [{column.name}]), or turn its dates or names into numbers or groups",
        )
    return Feature(column.name, categories, column.texts[int(np.argmax(counts))] if missing == "mean" else None)


@dataclass(frozen=True)
class Target:
    """What is to be predicted. classes: K names for y (N,) int64 from 0 to K − 1; empty for regression with y (N,) float64."""

    task: Task
    classes: tuple[str, ...]
    y: Array


def read_target(table: Table, task: Task | None = None, classes: Sequence[str] | None = None) -> Target:
    """The table's target as class numbers or quantities.

    task: None infers it: texts, and whole numbers with at most 100 different values, are classes; other numbers are quantities.
    classes: the names from training, for a table of test rows; else the different values, numbers in their order, texts in theirs.
    Errors: DataError for a missing value, which is never filled, for one class only, too many or unknown ones, and for a quantity
    that is no number or not finite.
    """
    target = table.target
    if target is None or target.texts is None:
        raise table.error("was read without a target column", "name one with target: COLUMN")
    if target.missing().any():
        where = table.where(target.missing()) + such(target.missing())
        raise table.error(f"target {target.name} has no value {where}", "take these rows out: targets are never filled in")
    numbers = [number(text) for text in target.texts]
    if task is None and classes is None:
        refuse_mixed(table, target, numbers)
        whole = all(re.fullmatch(r"[+-]?\d+", text, re.ASCII) for text in target.texts)
        task = "classification" if None in numbers or (whole and len(target.texts) <= FEW_CLASSES) else "regression"
    if task == "regression":
        return Target(task, (), column_of_numbers(table, target).values)
    return _classes(table, target, numbers, classes)


def _classes(table: Table, target: Column, numbers: list[float | None], classes: Sequence[str] | None) -> Target:
    texts = target.texts or ()
    if classes is None:
        if len(texts) > MOST_CATEGORIES:
            raise table.error(
                f"target {target.name} has {len(texts):,} different values; at most {MOST_CATEGORIES:,} classes are taken",
                "if it is a quantity, set loss: mse; else name another target",
            )
        if len(texts) < 2:
            raise table.error(f"target {target.name} has one class only, {short(texts[0])}: there is nothing to tell apart")
        named = [(value if value is not None else 0.0, text) for value, text in zip(numbers, texts, strict=True)]
        classes = [text for _, text in sorted(named)] if None not in numbers else list(texts)
    position = {name: place for place, name in enumerate(classes)}
    places = np.array([position.get(text, -1) for text in texts])
    y = places[target.values].astype(np.int64)
    if (y < 0).any():
        text = texts[target.values[np.argmax(y < 0)]]
        known = ", ".join(classes[:_LISTED])
        raise table.error(
            f"target {target.name} has {short(text)} {table.where(y < 0)}, which is no class of training{such(y < 0)}",
            f"known: {known}",
        )
    return Target("classification", tuple(classes), y)


def _refuse_missing(table: Table, columns: Sequence[Column]) -> None:
    gaps = [(column.name, column.missing()) for column in columns]
    gaps = [(name, rows) for name, rows in gaps if rows.any()]
    if gaps:
        name, rows = gaps[0]
        others = (
            f"; so have {len(gaps) - 1:,} other columns" if len(gaps) > 2 else "; so has column " + gaps[1][0] if gaps[1:] else ""
        )
        raise table.error(
            f"column {name} has no value {table.where(rows)}{such(rows)}{others}",
            "set missing: mean to fill gaps from the training rows, or drop the column",
        )


def _numbers_in(feature: Feature, column: Column) -> NDArray[np.intp]:
    """Which of the feature's categories each row has, its filling included; −1 for none."""
    position = {name: place for place, name in enumerate(feature.categories or ())}
    places = [position.get(text, -1) for text in column.texts or ()]
    filling = position.get(feature.fill, -1) if isinstance(feature.fill, str) else -1
    return np.array([*places, filling], dtype=np.intp)[column.values]


def _width(feature: Feature) -> int:
    return 1 if feature.categories is None else len(feature.categories)


def _check_size(table: Table, features: Sequence[Feature], itemsize: int) -> None:
    size = len(table) * sum(map(_width, features)) * itemsize
    if size > LARGEST_MATRIX:
        widest = max(features, key=_width)
        raise table.error(
            f"its {len(table):,} rows would take {size / 2**30:.1f} GiB once encoded",
            f"column {widest.name} alone has {_width(widest):,} categories; drop the widest columns, or use fewer rows",
        )


def _restored(name: str, categories: Sequence[str] | None, fill: float | str | None) -> Feature:
    texts = None if categories is None else tuple(categories)
    sound = isinstance(name, str) and (texts is None or all(isinstance(text, str) for text in texts))
    filled = fill is None or (isinstance(fill, int | float) if texts is None else fill in texts)
    if not sound or not filled:
        raise ValueError(name)
    return Feature(name, texts, fill)
