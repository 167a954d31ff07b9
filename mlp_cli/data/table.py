"""Tables of numbers and texts: the columns as they stand in a file, before anything is fitted to them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlp_cli.data.dataset import Array, arrays_sha256
from mlp_cli.errors import DataError

LARGEST_NUMBER = float(np.finfo(np.float32).max)
"""Larger numbers would be infinite in float32."""

MOST_CELLS = 1 << 28
"""Rows times columns that a file may have."""
MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "<NA>", "#N/A", "?")
"""Cells that stand for a missing value, blanks around them aside."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?inf(inity)?", re.ASCII | re.IGNORECASE)
_LISTED = 20
_FEW_TEXTS = 20


@dataclass(frozen=True)
class Column:
    """One column. texts: None for numbers, which `values` then holds (N,) float64, NaN where missing.

    Otherwise the different texts, sorted, and `values` (N,) intp says which of them each row has; −1 where missing.
    """

    name: str
    values: Array
    texts: tuple[str, ...] | None = None

    def missing(self) -> NDArray[np.bool_]:
        """Which rows have no value, (N,) bool."""
        return np.isnan(self.values) if self.texts is None else self.values < 0


@dataclass(frozen=True)
class Table:
    """N rows of features and perhaps a target, as read from a file.

    target: always as texts. places: (N,) int64, where each row stands in the file, from 1; place: what they count, `line` or `row`.
    """

    path: Path
    columns: tuple[Column, ...]
    target: Column | None
    places: NDArray[np.int64]
    place: str

    def __len__(self) -> int:
        return len(self.places)

    def where(self, rows: NDArray[np.bool_]) -> str:
        """The place of the first of the rows that are set: `in line 17`."""
        return f"in {self.place} {self.places[np.argmax(rows)]}"

    def sha256(self) -> str:
        """SHA-256 over names, values and target, 64 hex digits; the same whatever the format of the file."""
        columns = (*self.columns, *([self.target] if self.target else []))
        names = json.dumps([(column.name, column.texts) for column in columns])
        arrays = {f"column {number}": column.values.astype(np.float64) for number, column in enumerate(columns)}
        return arrays_sha256(arrays | {"names": np.frombuffer(names.encode(), dtype=np.uint8)})

    def error(self, reason: str, hint: str | None = None) -> DataError:
        """A DataError about this table."""
        return DataError(f"{self.path}: {reason}", hint)


def column_of_texts(name: str, cells: NDArray[np.object_]) -> Column:
    """A column from its cells (N,), texts or None; blanks around a text do not count."""
    import pandas

    codes, different = pandas.factorize(cells)
    plain = [str(text).strip() for text in different]
    texts = tuple(sorted(set(plain).difference(MISSING)))
    position = {text: place for place, text in enumerate(texts)}
    places = np.array([*(position.get(text, -1) for text in plain), -1], dtype=np.intp)
    return Column(name, places[codes], texts)


def number(text: str) -> float | None:
    """The number that a text is, perhaps infinite; None for anything else."""
    return float(text) if _NUMBER.fullmatch(text) else None


def column_of_numbers(table: Table, column: Column) -> Column:
    """A column of texts as one of numbers. Errors: DataError that names the first text that is none, or is too large."""
    assert column.texts is not None
    numbers = [number(text) for text in column.texts]
    bad = np.array([*(value is None for value in numbers), False])[column.values]
    if bad.any():
        text = column.texts[column.values[np.argmax(bad)]]
        comma = re.fullmatch(r"[+-]?\d+,\d+", text, re.ASCII)
        hint = "write decimals with a point" if comma else f"mend it, take the row out, or drop the column: drop: [{column.name}]"
        raise table.error(f"column {column.name} holds {short(text)} {table.where(bad)}, which is not a number{such(bad)}", hint)
    known = np.array([*(np.nan if value is None else value for value in numbers), np.nan])
    return check_finite(table, Column(column.name, known[column.values]))


def check_finite(table: Table, column: Column) -> Column:
    """The column of numbers itself. Errors: DataError where one is infinite or beyond float32."""
    bad = np.abs(column.values) > LARGEST_NUMBER
    if bad.any():
        value = column.values[np.argmax(bad)]
        kind = "not finite" if np.isinf(value) else f"larger than {LARGEST_NUMBER:.1e}, the most that float32 can hold"
        raise table.error(f"column {column.name} holds {value:g} {table.where(bad)}, which is {kind}{such(bad)}")
    return column


def refuse_mixed(table: Table, column: Column, numbers: Sequence[float | None]) -> None:
    """DataError where texts seem meant as numbers: all are but for commas, or half of many are. As categories they make no sense."""
    texts = column.texts or ()
    alike = sum(number(text.replace(",", "")) is not None for text in texts)
    if None in numbers and (alike == len(texts) or (len(texts) > _FEW_TEXTS and 2 * alike >= len(texts))):
        column_of_numbers(table, column)


def such(rows: NDArray[np.bool_]) -> str:
    """` (50 such rows)`, or nothing for one."""
    return f" ({rows.sum():,} such rows)" if rows.sum() > 1 else ""


def listed(names: Sequence[str]) -> str:
    """`columns: a, b, c`, cut short where there are many."""
    more = f" … ({len(names):,} in all)" if len(names) > _LISTED else ""
    return f"columns: {', '.join(map(str, names[:_LISTED]))}{more}"


def short(text: str) -> str:
    """A text in quotes, cut short where it is long."""
    return repr(text if len(text) <= 40 else text[:39] + "…")
