"""Parquet files, by pyarrow (the extra `parquet`)."""

from __future__ import annotations

import datetime
import decimal
import importlib
import importlib.util
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_cli.data.streams import open_file
from mlp_cli.data.table import MOST_CELLS, Column, column_of_texts
from mlp_cli.errors import DataError, UsageError

if TYPE_CHECKING:
    import pandas

_SCALARS = (str, bool, int, float, decimal.Decimal, datetime.date, datetime.time, datetime.timedelta, np.generic)


class ParquetFile:
    """A parquet file. names: of all columns; an index that pandas stored is none of them. places: (N,) int64, numbers of rows from 1.

    Errors: DataError with the path and the fault; UsageError with the pip line where pyarrow is not installed.
    """

    place = "row"
    unnamed: frozenset[str] = frozenset()

    def __init__(self, path: Path) -> None:
        with open_file(path) as content:
            if content.read(4) != b"PAR1":
                raise content.error("not a parquet file: does not start with PAR1")
        if importlib.util.find_spec("pyarrow") is None:
            raise UsageError(f"{path}: parquet files need pyarrow, which is not installed", "pip install 'mlp-cli[parquet]'")
        self.path = path
        self._frame = self._read()
        self.names = [str(name) for name in self._frame.columns]
        self.places = np.arange(1, len(self._frame) + 1, dtype=np.int64)

    def columns(self, names: Sequence[str], as_text: Collection[str]) -> dict[str, Column]:
        """These columns, those in `as_text` as texts; the others as numbers where they are stored as such, else as texts."""
        return {name: self._column(name, name in as_text) for name in names}

    def _read(self) -> pandas.DataFrame:
        try:
            file = importlib.import_module("pyarrow.parquet").ParquetFile(self.path)
            size = file.metadata.num_rows, file.metadata.num_columns
            if size[0] * size[1] <= MOST_CELLS:
                table = file.read()
                # Texts that are not UTF-8 would be met only when they are used.
                table.validate(full=True)
                frame: pandas.DataFrame = table.to_pandas()
        # A damaged file makes the library raise whatever it likes, from OSError to IndexError.
        except Exception as error:
            raise DataError(f"{self.path}: not a usable parquet file ({_first_line(error)})") from error
        if size[0] * size[1] > MOST_CELLS:
            raise DataError(
                f"{self.path}: declares {size[0]:,} rows of {size[1]:,} columns; at most {MOST_CELLS:,} cells are read"
            )
        if not size[0]:
            raise DataError(f"{self.path}: has no rows")
        return frame

    def _column(self, name: str, as_text: bool) -> Column:
        import pandas

        series = self._frame.iloc[:, self.names.index(name)]
        kinds = pandas.api.types
        if kinds.is_numeric_dtype(series.dtype) and not kinds.is_bool_dtype(series.dtype) and not as_text:
            return Column(name, series.to_numpy(np.float64, na_value=np.nan))
        cells = series.astype(object).to_numpy(object)
        gaps = series.isna().to_numpy(bool)
        texts: Any = np.full(len(cells), None, dtype=object)
        for row in np.flatnonzero(~gaps):
            if not isinstance(cells[row], _SCALARS):
                kind = type(cells[row]).__name__
                raise DataError(
                    f"{self.path}: column {name} holds values of type {kind}, neither numbers nor texts", f"drop: [{name}]"
                )
            texts[row] = str(cells[row])
        return column_of_texts(name, texts)


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]
