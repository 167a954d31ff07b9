"""Tables from files: .csv and .tsv (plain, .gz, .xz or .zip) and .parquet, with every fault named by its column and line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from mlp_cli.data.read_csv import CsvFile
from mlp_cli.data.read_parquet import ParquetFile
from mlp_cli.data.table import Column, Table, check_finite, column_of_numbers, listed, number, refuse_mixed
from mlp_cli.data.table_encoding import TableEncoding
from mlp_cli.errors import DataError
from mlp_cli.registry import did_you_mean

SUFFIXES = (".csv", ".tsv", ".tab", ".parquet")
"""Ends of names of tables; .gz, .xz or .zip may follow the first three."""

TableFile = CsvFile | ParquetFile


def read_table(
    path: Path,
    target: str | None = None,
    drop: Collection[str] = (),
    *,
    categorical: Collection[str] = (),
    like: TableEncoding | None = None,
) -> Table:
    """The feature columns and the target of a file with a header.

    target: the column to predict, or None. drop: columns to leave out. categorical: columns of numbers that are categories all the
    same. A column is one of numbers if each of its cells is a number or missing (`MISSING`), else one of texts; blanks around a cell
    do not count. like: read the columns of this encoding, each as in training, for test rows and predictions; others are ignored.
    The delimiter is a tab for .tsv and .tab; for .csv the one of , ; and tab that suits the first rows.
    Errors: DataError with the path, the column and the line; UsageError where pyarrow is needed and not installed.
    """
    path = Path(path)
    file = _open(path)
    _check_names(file)
    if like is None:
        features = _features(file, target, drop, categorical)
        texts, numeric = set(categorical), set()
    else:
        features = _wanted(file, target, like)
        texts = {feature.name for feature in like.features if feature.categories is not None}
        numeric = set(features) - texts
    targets = [] if target is None else [target]
    columns = file.columns([*features, *targets], texts | set(targets))
    table = Table(path, tuple(columns[name] for name in features), columns[target] if target else None, file.places, file.place)
    ready = (_typed(table, column, column.name in texts, column.name in numeric) for column in table.columns)
    return replace(table, columns=tuple(ready))


def _open(path: Path) -> TableFile:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    kind = suffixes.pop() if suffixes else ""
    if kind in (".gz", ".xz", ".zip") and suffixes and suffixes[-1] != ".parquet":
        kind = suffixes.pop()
    if kind not in SUFFIXES:
        raise DataError(
            f"{path}: not a table by its name",
            "names of tables end with .csv, .tsv or .tab, then perhaps .gz, .xz or .zip, or with .parquet",
        )
    if kind == ".parquet":
        return ParquetFile(path)
    return CsvFile(path, None if kind == ".csv" else "\t")


def _typed(table: Table, column: Column, as_text: bool, as_numbers: bool) -> Column:
    """The column as numbers where it holds nothing else, or must; checked."""
    if column.texts is None:
        return check_finite(table, column)
    if as_text:
        return column
    numbers = [number(text) for text in column.texts]
    refuse_mixed(table, column, numbers)
    return column_of_numbers(table, column) if as_numbers or None not in numbers else column


def _check_names(file: TableFile) -> None:
    if all(number(name) is not None for name in file.names):
        raise DataError(
            f"{file.path}: has no header: its first line holds numbers only", "put a line with the columns' names on top"
        )
    name, count = Counter(file.names).most_common(1)[0]
    if count > 1:
        first, second = [place for place, other in enumerate(file.names, 1) if other == name][:2]
        raise DataError(f"{file.path}: columns {first} and {second} have the same name, {name}")


def _features(file: TableFile, target: str | None, drop: Collection[str], categorical: Collection[str]) -> list[str]:
    for key, wanted in (("target", [] if target is None else [target]), ("drop", drop), ("categorical", categorical)):
        for name in wanted:
            if name not in file.names:
                raise _no_column(file, name, key)
    if target in drop:
        raise DataError(f"{file.path}: column {target} is the target and is in drop as well", "take it out of drop")
    features = [name for name in file.names if name != target and name not in drop]
    for name in features:
        if name in file.unnamed:
            raise DataError(
                f"{file.path}: column {name.removeprefix('column_')} has no name in the header",
                f"name it, or leave it out with drop: [{name}]; pandas writes its row numbers so",
            )
    if not features:
        raise DataError(f"{file.path}: has no column to learn from", listed(file.names))
    return features


def _wanted(file: TableFile, target: str | None, like: TableEncoding) -> list[str]:
    features = [feature.name for feature in like.features]
    for key, name in [*(("", name) for name in features), *([] if target is None else [("target", target)])]:
        if name not in file.names:
            raise _no_column(file, name, key)
    return features


def _no_column(file: TableFile, name: str, key: str) -> DataError:
    said = f"{key}: " if key else ""
    headless = 2 * sum(number(other) is not None for other in file.names) >= len(file.names)
    hint = listed(file.names) + ("; if this is no header, put a line with the columns' names on top" if headless else "")
    return DataError(f"{file.path}: {said}no column {name}{did_you_mean(name, file.names)}", hint)
