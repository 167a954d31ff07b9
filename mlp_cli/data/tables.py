"""Tables as pandas frames: .csv and .tsv (plain, .gz, .xz or .zip) and .parquet, with every fault named by its column and line."""

from __future__ import annotations

import codecs
import csv
import importlib
import io
import itertools
import json
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlp_cli.data.dataset import Array, Column, arrays_sha256
from mlp_cli.data.own import PLAIN, Own, Read
from mlp_cli.data.streams import Limit, foreign, members, open_file
from mlp_cli.errors import DataError, UsageError
from mlp_cli.registry import did_you_mean
from mlp_cli.text import counted, listed, one_line

if TYPE_CHECKING:
    import pandas

    from mlp_cli.data.encoding import TableEncoding

LARGEST_NUMBER = float(np.finfo(np.float32).max)
"""Larger numbers would be infinite in float32."""
MOST_COLUMNS = 100_000
MISSING = (
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA", "NULL"),
    *("NaN", "None", "n/a", "nan", "null", "?"),
)
"""Cells that stand for a missing value, blanks around them aside: those of pandas, and the ? of the UCI repository."""
KEEP = "read: {keep_default_na: false}"

_SNIFFED = 20
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?inf(inity)?", re.ASCII | re.IGNORECASE)
_CODE = re.compile(r"[+-]?0\d+", re.ASCII)
_AMOUNT = re.compile(r"[+-]?\W?\s?\d")
_SWAPPED = str.maketrans(".,", ",.")


@dataclass(frozen=True)
class Table:
    """N rows of a file, read as `own` says.

    frame: the features, target, groups and order. Numbers are float64, NaN where missing. Texts are categorical, their categories
    sorted; target, groups and order always are. words: of columns of texts, one that was taken for a missing value. places: (N,)
    int64, where each row stands in the file, from 1; place: what they count, `line` or `row`. notices: what a user should know.
    others: the names of columns that were not read.
    """

    path: Path
    frame: pandas.DataFrame
    features: tuple[str, ...]
    own: Own
    words: dict[str, str]
    places: NDArray[np.int64]
    place: str
    notices: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.places)

    def values(self, name: str) -> Array:
        """A column's numbers (N,) float64, NaN where missing; of texts those of their categories, (N,) intp, −1 where missing."""
        column = self.frame[name]
        return column.to_numpy() if self.texts(name) is None else column.cat.codes.to_numpy(np.intp)

    def texts(self, name: str) -> tuple[str, ...] | None:
        """The categories of a column; None for one of numbers."""
        column = self.frame[name]
        return None if column.dtype.kind == "f" else tuple(column.cat.categories)

    def column(self, name: str) -> Column:
        """What is in a column."""
        values, texts = self.values(name), self.texts(name)
        if texts is not None:
            return Column(name, texts, None, None, int((values < 0).sum()))
        known = values[~np.isnan(values)]
        least, most = (float(known.min()), float(known.max())) if len(known) else (None, None)
        return Column(name, None, least, most, len(values) - len(known))

    def kept(self, rows: Array) -> Table:
        """The table of these rows alone, given as numbers or as (N,) bool."""
        return replace(self, frame=self.frame.iloc[rows], places=self.places[rows])

    def where(self, rows: Any) -> str:
        """The place of the first of the rows that are set, (N,) bool, and how many there are: `in line 17 (50 such rows)`."""
        such = f" ({np.sum(rows):,} such rows)" if np.sum(rows) > 1 else ""
        return f"in {self.place} {self.places[np.argmax(rows)]}{such}"

    def sha256(self) -> str:
        """SHA-256 over names, values, target, groups and order, 64 hex digits; the same whatever the format of the file."""
        columns = (*self.features, *self.own.targets, *filter(None, (self.own.groups, self.own.order)))
        names = json.dumps([(name, self.texts(name)) for name in columns])
        arrays = {f"column {number}": self.values(name).astype(np.float64) for number, name in enumerate(columns)}
        return arrays_sha256(arrays | {"names": np.frombuffer(names.encode(), dtype=np.uint8)})

    def error(self, reason: str, hint: str | None = None) -> DataError:
        """A DataError about this table."""
        return DataError(f"{self.path}: {reason}", hint)


def read_table(path: Path, own: Own, like: TableEncoding | None = None, frame: pandas.DataFrame | None = None) -> Table:
    """The features of a file, and what else `own` names; its groups and order, which decide the split, are no features.

    like: reads the features of this encoding, each as in training, for test rows and predictions. Columns are found by their names.
    frame: what is read in place of the file.
    Errors: DataError with the path, the column and the line; UsageError where pyarrow is needed and not installed.
    """
    import pandas

    if frame is not None:
        file: _Frame | _TextFile = _Frame(path, frame)
    else:
        file = _ParquetFile(path, own.read) if path.suffix.lower() == ".parquet" else _TextFile(path, own.read)
    kinds = {}
    for each in like.features if like is not None else ():
        kinds[each.name] = "numbers" if each.categories is None else "texts"
    special = [*own.targets, *(name for name in (own.groups, own.order) if name is not None)]
    asked = {"": kinds, "target": own.targets, "categorical": own.categorical}
    columns = f"columns: {listed(file.names)}"
    for key, names in (asked | {"drop": own.drop, "groups": [own.groups], "order": [own.order]}).items():
        for name in (name for name in names if name is not None):
            if name not in file.names:
                headless = 2 * sum(number(other) is not None for other in file.names) >= len(file.names)
                blanks = r"; where blanks stand between cells: read: {sep: \s+}" if len(file.names) == 1 else ""
                hint = "; if this is no header: read: {header: none}" if headless else blanks
                said = f"{key}: no" if key else "no"
                raise DataError(f"{path}: {said} column {name}{did_you_mean(name, file.names)}", columns + hint)
            if name in own.targets and key not in asked:
                raise DataError(f"{path}: column {name} is the target and is in {key} as well", f"take it out of {key}")
    features = list(kinds or (name for name in file.names if name not in special and name not in own.drop))
    if unnamed := [name for name in features if name in file.unnamed and not kinds]:
        hint = f"name it, or leave it out with drop: [{unnamed[0]}]; pandas writes its row numbers so"
        raise DataError(f"{path}: column {unnamed[0].removeprefix('column_')} has no name in the header", hint)
    if not features:
        raise DataError(f"{path}: has no column to learn from", columns)
    wanted = list(dict.fromkeys((*features, *special)))
    texts = {*own.categorical, *special, *(name for name, kind in kinds.items() if kind == "texts")}
    words: dict[str, str] = {}
    found = pandas.DataFrame(
        {
            name: cells if cells.dtype.kind == "f" else _categories(str(name), cells.to_numpy(object), own.read, words)
            for name, cells in file.frame(wanted, texts).items()
        }
    )
    others = tuple(name for name in file.names if name not in wanted)
    table = Table(path, found, tuple(features), own, words, file.places, file.place, others=others)
    decided = {name: decide(table, name, kinds.get(name, "")) for name in features}
    whole = pandas.DataFrame({name: decided[name][0] if name in decided else found[name] for name in wanted})
    return replace(table, frame=whole, notices=tuple(notice for _, notice in decided.values() if notice))


def decide(table: Table, name: str, kind: str = "") -> tuple[pandas.Series, str]:
    """A column as numbers or as categories, the one place that decides, and what a user should know of it.

    kind: numbers or texts, where it has to be that. Else a column is one of categories by wish, where none of its texts is a number,
    and where one has leading zeros. Errors: DataError where only some are numbers, and for numbers beyond float32.
    """
    import pandas

    column = table.frame[name]
    if column.dtype.kind != "f":
        column = column.cat.remove_unused_categories()
        texts = list(column.cat.categories)
        numbers = [number(text, table.own.read) for text in texts]
        bad = [text for text, value in zip(texts, numbers, strict=True) if value is None]
        codes = [text for text in texts if _CODE.fullmatch(text)]
        way = _way(bad, table.own.read)
        wish = kind == "texts" or (not kind and name in table.own.categorical)
        none = len(bad) == len(texts) > 0
        if wish or (not kind and (codes or (none and not way))):
            told = ""
            if codes and not wish:
                at = table.where(column == codes[0])
                told = f"{quoted(codes[0])} {at}: leading zeros, so its cells are taken as texts"
            elif not wish and all(map(_AMOUNT.match, texts)):
                at = table.where(column == bad[0])
                told = f"{quoted(bad[0])} {at}: no plain numbers, so {len(texts):,} categories"
            elif word := table.words.get(name):
                told = f"{word}, taken for a missing value; {KEEP} makes it a value"
            return column, f"{table.path}: column {name} holds {told}" if told else ""
        if bad:
            rows = column.isin(bad)
            text = column[rows].iloc[0]
            if none and not way and (name,) == table.own.targets:
                told = f"target {name} holds texts, such as {quoted(text)} {table.where(rows)}, which are classes"
                raise table.error(told, "leave the loss out: mse, mae and huber are for quantities")
            ways = [f"for a missing value read: {{na_values: [{quoted(text)}]}}", "" if kind else f"categorical: [{name}]"]
            ways.append("" if kind or name in table.own.targets else f"drop: [{name}]")
            hint = way or "; ".join(filter(None, ["mend it", *ways]))
            raise table.error(f"column {name} holds {quoted(text)} {table.where(rows)}, which is not a number", hint)
        column = pandas.Series(np.array([*numbers, np.nan])[column.cat.codes], column.index)
    rows = column.abs() > LARGEST_NUMBER
    if rows.any():
        value = column[rows].iloc[0]
        what = "not finite" if np.isinf(value) else f"larger than {LARGEST_NUMBER:.1e}, the most that float32 can hold"
        raise table.error(f"column {name} holds {value:g} {table.where(rows)}, which is {what}")
    return column, ""


def _way(texts: Sequence[str], read: Read) -> str:
    """How these texts can be read as numbers; nothing where they cannot."""
    if not texts:
        return ""
    comma, point = (",", ".") if read.decimal == "." else (".", ",")
    for mark in (comma, " ", "'", "_"):
        grouped = re.compile(rf"[+-]?\d{{1,3}}({re.escape(mark)}\d{{3}})+(\{point}\d*)?")
        if all(map(grouped.fullmatch, texts)):
            return f'where {mark!r} groups thousands: read: {{thousands: "{mark}"}}'
    if all(map(re.compile(rf"[+-]?\d*\{comma}\d+").fullmatch, texts)):
        return f'where {comma!r} is the decimal point: read: {{decimal: "{comma}"}}'
    return ""


def number(text: str, read: Read = PLAIN) -> float | None:
    """The number that a text is, perhaps infinite; None for anything else."""
    if read.thousands:
        text = re.sub(rf"(?<=\d){re.escape(read.thousands)}(?=\d{{3}}(?!\d))", "", text)
    if read.decimal == ",":
        text = text.translate(_SWAPPED)
    return float(text) if _NUMBER.fullmatch(text) else None


def missing_words(read: Read) -> set[str]:
    """The cells that stand for a missing value."""
    return {*(MISSING if read.keep_default_na else ("",)), *read.na_values}


def _categories(name: str, cells: Any, read: Read, words: dict[str, str]) -> pandas.Categorical:
    """A column from its cells (N,), texts or None; blanks around a text do not count. Enters one taken for missing into `words`."""
    import pandas

    codes, different = pandas.factorize(cells)
    plain = [str(text).strip() for text in different]
    missing = missing_words(read)
    numbers = {number(text, read) for text in missing} - {None}
    gaps = {text for text in plain if text in missing or number(text, read) in numbers}
    if told := sorted(gaps.difference(read.na_values, ("", "?"))):
        words[name] = told[0]
    texts = sorted(set(plain) - gaps)
    position = {text: place for place, text in enumerate(texts)}
    places = np.array([*(position.get(text, -1) for text in plain), -1], dtype=np.intp)
    return pandas.Categorical.from_codes(places[codes], pandas.Index(texts, dtype=object))


class _TextFile:
    """Comma-separated text and its like. names: of all columns; those without one are called column_N and are in `unnamed`.

    Its lines are checked before pandas parses them, which would cut or fill rows in silence. Errors: DataError with the line.
    """

    place = "line"

    def __init__(self, path: Path, read: Read) -> None:
        self.path, self.read = path, read
        self.content, limit = _content(path, read.encoding)
        first = read.header if isinstance(read.header, int) else 0
        by_tabs = re.search(r"\.(tsv|tab)(\.(gz|xz|zip))?$", path.name.lower())
        self.sep = read.sep or ("\t" if by_tabs else self._sniff(first))
        if self.sep in (" ", r"\s+"):
            plain = re.sub(rb"(?m)^[ \t]+|[ \t]+(?=\r?$)", b"", self.content)
            self.sep, self.content = "\t", re.sub(rb'("[^"]*")|[ \t]+', lambda found: found[1] or b"\t", plain)
        rows = itertools.islice(self._rows(self.sep), first, None)
        line, width, self.start, header = next(rows, (0, 0, 0, b""))
        if not width:
            raise self.error(f"has no row {first}, counted from 0" if first else "holds no line")
        names = [name.strip() for name in self._cells([header], self.sep, line)]
        headless = read.header in ("infer", "either") and all(number(name, read) is not None for name in names)
        if read.header == "none" or (read.header == "either" and headless):
            names, self.start = [str(place) for place in range(width)], 0
        elif headless:
            hint = "if these are names: read: {header: 0}; if it has no header: read: {header: none}"
            raise self.error("its first line holds numbers only", hint)
        self.names = [name or f"column_{place}" for place, name in enumerate(names, 1)]
        self.unnamed = {f"column_{place}" for place, name in enumerate(names, 1) if not name}
        if len(set(self.names)) < width:
            twice = next(name for name in self.names if self.names.count(name) > 1)
            raise self.error(f"line {line} names two columns {twice}")
        lines = [line] if self.start == 0 else []
        for line, count, _, _ in rows:
            if count != width:
                hint = "where cells are cut otherwise: read: {sep: …}; where another row has the names: {header: …}"
                raise self.error(f"line {line} has {counted(count, 'field')}, and the header has {width:,}", hint)
            lines.append(line)
        if not lines:
            raise self.error("has a header and no rows")
        limit.take(8 * len(lines) * width)
        self.places = np.array(lines, dtype=np.int64)

    def frame(self, names: Sequence[str], texts: Collection[str]) -> pandas.DataFrame:
        """These columns: those in `texts` as texts, the others as numbers where each cell is a number or missing."""
        import pandas

        # pandas takes 007 for 7; and it is not told of thousands, where it takes 1,5 for 15.
        zeros = re.search(rb"0\d(?<![\w.]0\d)", self.content) is not None
        options = {"keep_default_na": False, "na_values": sorted(missing_words(self.read)), "decimal": self.read.decimal}
        found: dict[str, Any] = {}
        for name, column in self._parse([name for name in names if name not in texts], options).items():
            if column.dtype.kind in "iuf" and not (zeros and (column.isna() | (column % 1 == 0)).all()):
                found[str(name)] = column.astype(np.float64)
        rest = self._parse([name for name in names if name not in found], {"dtype": object, "na_filter": False})
        return pandas.DataFrame({name: found[name] if name in found else rest[name] for name in names})

    def _parse(self, names: list[str], options: dict[str, Any]) -> pandas.DataFrame:
        import pandas

        if not names:
            return pandas.DataFrame()
        if tuple(map(int, pandas.__version__.split(".")[:2])) < (3, 1):
            options = options | {"float_precision": "round_trip"}
        options |= {"header": None, "index_col": False, "skipinitialspace": True, "low_memory": False}
        content = io.BytesIO(self.content)
        content.seek(self.start)
        try:
            frame = pandas.read_csv(content, sep=self.sep, names=self.names, usecols=names, **options)
        except (ValueError, OverflowError) as error:
            raise self.error(f"cannot be parsed ({str(error).strip().lower()})") from error
        if len(frame) != len(self.places):
            told = f"has {len(self.places):,} rows by its lines, {len(frame):,} as parsed"
            raise self.error(f"{told}: mend its quotes and line ends")
        return frame

    def _rows(self, sep: str) -> Iterator[tuple[int, int, int, bytes]]:
        """The rows that are not blank: line, number of cells, the byte where it ends, and its text. Errors: DataError about quotes."""
        content, mark, line = io.BytesIO(self.content), sep.encode(), 1
        for text in content:
            width = text.count(mark) + 1
            if b'"' in text:
                start = content.tell() - len(text)
                content.seek(start)
                width = len(self._cells(content, sep, line))
                text = self.content[start : content.tell()]
                lines = text.splitlines()
                # Two quotes that make one row of several which were rows by themselves.
                alike = all(each.count(mark) == width - 1 for each in lines)
                if text.count(b'"') == 2 and width > 1 < len(lines) and alike:
                    up_to = line + len(lines) - 1
                    raise self.error(f"line {line} opens a quote that swallows the rows up to line {up_to}", "close it")
            if text.strip(b" \r\n"):
                yield line, width, content.tell(), text
            line += text.count(b"\n")

    def _cells(self, lines: Iterable[bytes], sep: str, line: int) -> list[str]:
        """The cells of the row that begins these lines, the first of which has the given number."""

        def texts() -> Iterator[str]:
            for text in lines:
                # Checked before a list of them is made, which would take many times the space of the line.
                if text.count(sep.encode()) > MOST_COLUMNS:
                    raise self.error(f"line {line} has more than {MOST_COLUMNS:,} fields, the most that are read")
                yield text.decode()

        try:
            return next(csv.reader(texts(), delimiter=sep, skipinitialspace=True, strict=True))
        except csv.Error as error:
            raise self.error(f"line {line} is no row of cells: {error}", "mend its quotes") from error

    def _sniff(self, first: int) -> str:
        """The one of , ; tab and | that cuts the header and the first rows alike; a decimal comma is none. Errors: DataError for two."""
        widths: dict[str, list[int]] = {sep: [] for sep in ",;\t|" if sep != self.read.decimal}
        for sep, found in widths.items():
            try:
                for _, width, _, _ in itertools.islice(self._rows(sep), first, first + _SNIFFED):
                    found.append(width)
            except DataError:
                found.append(0)
        alike = [sep for sep, found in widths.items() if len(set(found)) == 1 and found[0] > 1]
        if len(alike) > 1:
            hint = f"say which: read: {{sep: {alike[0]!r}}}"
            raise self.error(f"both {alike[0]!r} and {alike[1]!r} cut its first lines alike", hint)
        # Where none does, the check of the rows says which line is odd.
        if alike:
            return alike[0]
        return max(widths, key=lambda sep: (widths[sep][:1] > [1], max(widths[sep], default=0)))

    def error(self, reason: str, hint: str | None = None) -> DataError:
        return DataError(f"{self.path}: {reason}", hint)


def _content(path: Path, encoding: str | None) -> tuple[bytes, Limit]:
    """The content of a text file, or of the one file in a zip archive, in UTF-8 without a byte order mark, and what counts it."""
    found: dict[str, bytes] = {}
    packed = path.suffix.lower() == ".zip"
    for stream in members(path) if packed else [open_file(path)]:
        with stream:
            if not (packed and re.search(r"(^|/)(\.|__MACOSX/)|/$", stream.member)):
                found[stream.member] = b"" if found else stream.read()
    if len(found) != 1:
        raise DataError(f"{path}: holds {len(found):,} files; a single one is expected")
    content = bytes(next(iter(found.values())))
    if reason := foreign(content[:512]):
        raise stream.error(reason, "get the file again")
    if content.startswith((b"PK\3\4", b"PAR1")):
        raise stream.error("starts like an Excel, zip or parquet file, not like text", "save it as text in UTF-8")
    try:
        text = content.decode(encoding or "utf-8")
        content = (text.encode() if encoding else content).removeprefix(codecs.BOM_UTF8)
    except UnicodeError as error:
        line = content[: getattr(error, "start", 0)].count(b"\n") + 1
        hint = "say how it is encoded: read: {encoding: cp1252} for a file from Windows, or utf-16; or save it as UTF-8"
        raise stream.error(f"not {(encoding or 'utf-8').upper()}: a byte in line {line} does not fit", hint) from error
    if b"\0" in content:
        raise stream.error(f"not a text file: line {content[: content.index(0)].count(10) + 1} holds a zero byte")
    return content if b"\n" in content else content.replace(b"\r", b"\n"), stream.limit


class _Frame:
    """A DataFrame; its index is no column. Errors: DataError."""

    place = "row"
    unnamed: Collection[str] = ()

    def __init__(self, path: Path, whole: pandas.DataFrame) -> None:
        if not len(whole):
            raise DataError(f"{path}: has no rows")
        if len(set(map(str, whole.columns))) < whole.shape[1]:
            raise DataError(f"{path}: two columns have the same name", f"columns: {listed(list(map(str, whole.columns)))}")
        self.path, self.whole, self.names = path, whole, [str(name) for name in whole.columns]
        self.places = np.arange(1, len(whole) + 1, dtype=np.int64)

    def frame(self, names: Sequence[str], texts: Collection[str]) -> pandas.DataFrame:
        """These columns: those in `texts` as texts, the others as numbers where they are stored as such."""
        import pandas

        found = {}
        for name in names:
            cells = self.whole.iloc[:, self.names.index(name)]
            if cells.dtype.kind in "iuf" and name not in texts:
                found[name] = pandas.Series(cells.to_numpy(np.float64, na_value=np.nan))
                continue
            plain = cells.astype(object).where(cells.notna(), None)
            if (kind := pandas.api.types.infer_dtype(plain)) in ("bytes", "mixed"):
                raise DataError(f"{self.path}: column {name} holds neither numbers nor texts ({kind})", f"drop: [{name}]")
            found[name] = plain.map(str, na_action="ignore").astype(object)
        return pandas.DataFrame(found)


class _ParquetFile(_Frame):
    """A parquet file, by pyarrow (the extra `parquet`). Errors: DataError, UsageError."""

    def __init__(self, path: Path, read: Read) -> None:
        if read != PLAIN:
            raise DataError(f"{path}: read is for tables of text; a parquet file says itself what is in it", "remove read")
        with open_file(path) as content:
            if content.read(4) != b"PAR1":
                raise content.error("not a parquet file: does not start with PAR1")
        try:
            parquet = importlib.import_module("pyarrow.parquet")
        except ImportError as error:
            raise UsageError(
                f"{path}: parquet files need pyarrow, which is not installed", "pip install 'mlp-cli[parquet]'"
            ) from error
        # A damaged file makes the library raise whatever it likes, from OSError to IndexError.
        try:
            file = parquet.ParquetFile(path)
            Limit(str(path)).take(8 * file.metadata.num_rows * file.metadata.num_columns)
            table = file.read()
            # Texts that are not UTF-8 would be met only when they are used.
            table.validate(full=True)
            whole: pandas.DataFrame = table.to_pandas()
        except Exception as error:
            if isinstance(error, DataError):
                raise
            reason = (str(error) or type(error).__name__).splitlines()[0][:200]
            raise DataError(f"{path}: not a usable parquet file ({reason})") from error
        super().__init__(path, whole)


def quoted(text: object) -> str:
    """A text in quotes, cut short where it is long."""
    return f"'{one_line(str(text), 40)}'"
