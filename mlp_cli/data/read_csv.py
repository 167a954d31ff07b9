"""Comma-, semicolon- and tab-separated text: checked line by line, then parsed by pandas."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlp_cli.data.streams import Stream, foreign, members, open_file
from mlp_cli.data.table import MISSING, MOST_CELLS, Column, column_of_texts
from mlp_cli.errors import DataError

if TYPE_CHECKING:
    import pandas

LARGEST_TEXT = 1 << 30
MOST_COLUMNS = 100_000
MOST_BLANKS = 1_000_000

_PIECE = 1 << 20
_SNIFFED = 20
_BLANK = f"has more than {MOST_BLANKS:,} blank lines"
_BINARY = {
    b"PK": "a zip or Excel file",
    b"PAR1": "a parquet file",
    b"\xff\xfe\0\0": "UTF-32 text",  # before UTF-16, whose mark it begins with
    b"\0\0\xfe\xff": "UTF-32 text",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}


class CsvFile:
    """A file with a header line. names: of all columns; those without one are called column_N and are in `unnamed`.

    places: (N,) int64, the line on which each row starts, from 1. Errors: DataError with the path, the line and the fault.
    """

    place = "line"

    def __init__(self, path: Path, delimiter: str | None = None) -> None:
        """delimiter: None for the one of , ; and tab that cuts header and first rows into equally many fields."""
        self.path = path
        self._content = _read_text(path)
        self._delimiter = delimiter or _delimiter_of(self._content.lstrip()[:_PIECE])
        header = next(self._records(), None)
        if header is None:
            raise self._error("holds no line")
        names = [name.strip() for name in header[1]]
        self.unnamed = {f"column_{number}" for number, name in enumerate(names, 1) if not name}
        self.names = [name or f"column_{number}" for number, name in enumerate(names, 1)]
        self.places = self._check_rows()

    def columns(self, names: Sequence[str], as_text: Collection[str]) -> dict[str, Column]:
        """These columns, those in `as_text` as texts, the others as numbers where each cell is a number or missing, else as texts."""
        maybe = [name for name in names if name not in as_text]
        frame = self._frame(maybe, {"keep_default_na": False, "na_values": list(MISSING), "low_memory": False})
        found = {
            name: Column(name, frame[name].to_numpy(np.float64)) for name in maybe if frame[name].dtype.kind in ("i", "u", "f")
        }
        rest = [name for name in names if name not in found]
        frame = self._frame(rest, {"dtype": object, "na_filter": False})
        return found | {name: column_of_texts(name, frame[name].to_numpy(object)) for name in rest}

    def _frame(self, names: Sequence[str], options: dict[str, Any]) -> pandas.DataFrame:
        import pandas

        if not names:
            return pandas.DataFrame()
        if tuple(int(part) for part in pandas.__version__.split(".")[:2]) < (3, 1):
            options = options | {"float_precision": "round_trip"}
        try:
            frame = pandas.read_csv(
                io.BytesIO(self._content),
                sep=self._delimiter,
                header=0,
                names=self.names,
                usecols=sorted(self.names.index(name) for name in names),
                index_col=False,
                skipinitialspace=True,
                encoding="utf-8",
                engine="c",
                **options,
            )
        except (pandas.errors.ParserError, pandas.errors.EmptyDataError, ValueError, OverflowError) as error:
            raise self._error(f"cannot be parsed ({str(error).strip().lower()})") from error
        if len(frame) != len(self.places):
            raise self._error(f"has {len(self.places):,} rows by its lines, {len(frame):,} as parsed: mend its quotes")
        return frame

    def _check_rows(self) -> NDArray[np.int64]:
        """The line of each row. Errors: DataError for the first row of another length than the header."""
        width = len(self.names)
        places = []
        quoted = b'"' in self._content or self._content.count(b"\r") != self._content.count(b"\r\n")
        rows = ((line, len(fields)) for line, fields in self._records()) if quoted else self._plain_rows()
        for line, count in rows:
            if count != width:
                fields = f"{count:,} field{'' if count == 1 else 's'}"
                raise self._error(f"line {line} has {fields}, and the header has {width:,}")
            places.append(line)
        if len(places) < 2:
            raise self._error("has a header and no rows")
        if len(places) * width > MOST_CELLS:
            raise self._error(f"has {len(places) - 1:,} rows of {width:,} columns; at most {MOST_CELLS:,} cells are read")
        return np.array(places[1:], dtype=np.int64)

    def _plain_rows(self) -> Iterator[tuple[int, int]]:
        """Line and number of fields of each row, in a file without quotes, the header included: much faster than `_records`."""
        delimiter, blanks = self._delimiter.encode(), 0
        for line, text in enumerate(io.BytesIO(self._content), 1):
            if text.strip(b" \r\n"):
                yield line, text.count(delimiter) + 1
            elif (blanks := blanks + 1) > MOST_BLANKS:
                raise self._error(_BLANK)

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        """Line and fields of each row, the header included; blank lines are left out."""
        reader = csv.reader(self._lines(), delimiter=self._delimiter, skipinitialspace=True, strict=True)
        start, blanks = 1, 0
        try:
            for fields in reader:
                if len(fields) > 1 or (fields and fields[0].strip()):
                    yield start, fields
                elif (blanks := blanks + 1) > MOST_BLANKS:
                    raise self._error(_BLANK)
                start = reader.line_num + 1
        except csv.Error as error:
            if "end of data" in str(error):
                raise self._error(f"line {start} has a quote that is never closed") from error
            raise self._error(f"line {reader.line_num}: {error}") from error

    def _lines(self) -> Iterator[str]:
        for number, line in enumerate(io.TextIOWrapper(io.BytesIO(self._content), encoding="utf-8", newline=""), 1):
            # Checked before a list of them is made, which would take many times the space of the line.
            if line.count(self._delimiter) > MOST_COLUMNS:
                raise self._error(f"line {number} has more than {MOST_COLUMNS:,} fields, the most that are read")
            yield line

    def _error(self, reason: str) -> DataError:
        return DataError(f"{self.path}: {reason}")


@contextmanager
def _opened(path: Path) -> Iterator[Stream]:
    """The content of a file, or of the one file in a zip archive. Errors: DataError, also where there are several in it."""
    if path.suffix.lower() != ".zip":
        with open_file(path) as stream:
            yield stream
        return
    names = [
        one.member for one in members(path) if not one.member.endswith("/") and not re.search(r"(^|/)(\.|__MACOSX/)", one.member)
    ]
    if len(names) != 1:
        raise DataError(f"{path}: holds {len(names):,} files; a single one is expected")
    with closing(members(path)) as found:
        yield next(one for one in found if one.member == names[0])


def _read_text(path: Path) -> bytes:
    """The content of a text file in UTF-8, without a byte order mark. Errors: DataError for what is none, and what is too large."""
    pieces: list[bytes] = []
    size = lines = 0
    decoder = codecs.getincrementaldecoder("utf-8")()
    with _opened(path) as content:
        while (piece := content.read(_PIECE)) or not pieces:
            if not pieces:
                _refuse_binary(content, piece)
            try:
                decoder.decode(piece)
            except UnicodeDecodeError as error:
                raise _not_utf8(content, error, lines + error.object[: error.start].count(b"\n")) from error
            if b"\0" in piece:
                raise content.error(f"not a text file: line {lines + piece[: piece.index(0)].count(10) + 1} holds a zero byte")
            size += len(piece)
            lines += piece.count(b"\n")
            if size > LARGEST_TEXT:
                raise content.error(
                    f"holds more than {LARGEST_TEXT:,} bytes of text", "store it as .parquet or .npz, or use a part of it"
                )
            pieces.append(piece)
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise _not_utf8(content, error, lines) from error
    return b"".join(pieces).removeprefix(codecs.BOM_UTF8)


def _refuse_binary(content: Stream, head: bytes) -> None:
    reason = foreign(head[:512])
    if reason is not None:
        raise content.error(reason, "get the file again")
    kind = next((kind for mark, kind in _BINARY.items() if head.startswith(mark)), None)
    if kind is not None:
        raise content.error(f"starts like {kind}, not like a table in UTF-8", "save it as text in UTF-8")


def _not_utf8(content: Stream, error: UnicodeDecodeError, lines_before: int) -> DataError:
    return content.error(
        f"not UTF-8: byte 0x{error.object[error.start]:02x} in line {lines_before + 1}",
        "save it as UTF-8; for a file from Windows: iconv -f WINDOWS-1252 -t UTF-8",
    )


def _delimiter_of(head: bytes) -> str:
    """The one of , ; and tab that cuts the header into several fields and the first rows into as many."""
    text = head.decode("utf-8", errors="ignore")

    def merit(delimiter: str) -> tuple[bool, int, int]:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
        widths = []
        with suppress(csv.Error):  # what was read before the fault may still tell
            for fields in itertools.islice(reader, _SNIFFED):
                widths.append(len(fields))
        width = next(filter(None, widths), 1)
        return width > 1, widths.count(width), width

    return max(",;\t", key=merit)
