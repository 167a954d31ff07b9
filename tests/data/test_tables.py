"""Tables: what is written comes back, and every fault is a DataError that names its place."""

import csv
import gzip
import io
import lzma
import random
import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from mlp_cli.data.encoding import fit_encoding, read_target
from mlp_cli.data.own import Own, Read, is_table
from mlp_cli.data.tables import MISSING, Table
from mlp_cli.data.tables import read_table as read_own
from mlp_cli.errors import DataError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables")


def written(folder: Path, content: str | bytes, name: str = "some.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read_table(path: Path, target: str | None = None, **options: Any) -> Table:
    return read_own(path, Own(target=target, **options))


def cells(table: Table, name: str | None = None) -> list[Any]:
    """A column, the first if none is named, as it would be typed: numbers or texts, None where missing."""
    name = table.features[0] if name is None else name
    texts, values = table.texts(name), table.values(name)
    if texts is None:
        return [None if np.isnan(value) else float(value) for value in values]
    return [None if code < 0 else texts[code] for code in values]


def contents(table: Table) -> dict[str, list[Any]]:
    return {name: cells(table, name) for name in table.features}


NUMBERS = st.one_of(st.integers(-(2**60), 2**60), st.floats(-3e38, 3e38, allow_nan=False))
# Texts that cannot be numbers or missing, with all that has a meaning in such files, and what spreadsheets run.
TEXTS = st.text(alphabet="aZ é\u2028漢🂡,;\t\"'\n\r=@+-|#0", max_size=8).map(lambda text: f"={text}!")


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[Any]]]:
    rows = draw(st.integers(1, 12))
    names = draw(
        st.lists(st.text(alphabet="ab ,;\"'é", max_size=4).map(lambda text: f"c{text}e"), min_size=2, max_size=5, unique=True)
    )
    columns = []
    for _ in names:
        kind = draw(st.sampled_from([NUMBERS, TEXTS]))
        first = draw(kind)  # a column without any value has no kind
        columns.append([first, *draw(st.lists(kind | st.none(), min_size=rows - 1, max_size=rows - 1))])
    return names, columns


@given(
    table=tables(),
    form=st.sampled_from([(",", ".csv"), (";", ".csv"), ("\t", ".csv"), ("\t", ".tsv")]),
    packing=st.sampled_from(["", ".gz", ".xz"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    end=st.sampled_from(["\n", "\r\n"]),
    mark=st.booleans(),
    gap=st.sampled_from(MISSING),
)
def test_what_is_written_comes_back(
    folder: Path, table: Any, form: tuple[str, str], packing: str, quoting: Any, end: str, mark: bool, gap: str
) -> None:
    names, columns = table
    if quoting == csv.QUOTE_MINIMAL:  # which leaves a lone carriage return bare, where it ends the line
        names = [f"c{number}" for number in range(len(names))]  # a bare ; in a name might be taken for the delimiter
        columns = [[cell.replace("\r", "") if isinstance(cell, str) else cell for cell in column] for column in columns]
    text = io.StringIO()
    writer = csv.writer(text, delimiter=form[0], quoting=quoting, lineterminator=end)
    writer.writerow(names)
    writer.writerows([gap if cell is None else cell for cell in row] for row in zip(*columns, strict=True))
    content = text.getvalue().encode("utf-8-sig" if mark else "utf-8")
    pack = {"": bytes, ".gz": gzip.compress, ".xz": partial(lzma.compress, preset=0)}[packing]
    path = written(folder, pack(content), f"some{form[1]}{packing}")
    try:
        back = read_table(path, target=names[-1])
    except DataError as error:
        # One cell whose lines look like rows cannot be told from a quote too many, nor which of two separators is meant.
        assert ("swallows" in error.message and content.count(b'"') >= 2) or "cut its first lines alike" in error.message
        reject()
    assert list(back.features) == names[:-1] and len(back) == len(columns[0])
    for name, expected in zip(names[:-1], columns[:-1], strict=True):
        assert cells(back, name) == [float(cell) if isinstance(cell, int) else cell for cell in expected]
    assert cells(back, names[-1]) == [None if cell is None else str(cell) for cell in columns[-1]]


def test_lines_are_those_an_editor_shows(tmp_path: Path) -> None:
    plain = read_table(written(tmp_path, "\na,b\n1,2\n\n  \n3,4\n"))
    assert plain.places.tolist() == [3, 6] and plain.place == "line"
    quoted = read_table(written(tmp_path, '\na,b\n"x\ny\nz",2\n\n"w",4\n5,6'), categorical=("a",))
    assert quoted.places.tolist() == [3, 7, 8] and cells(quoted) == ["x\ny\nz", "w", "5"]
    assert read_table(written(tmp_path, "a,b\r1,2\r3,4\r")).places.tolist() == [2, 3]


def test_a_column_is_numbers_only_if_every_cell_is_one(tmp_path: Path) -> None:
    text = "a,b,c,d,e,f\n 1 ,1.,TRUE,?,1e3,1_0\n-.5, x ,true,, +7 ,0x1\n"
    table = read_table(written(tmp_path, text), categorical=("b",))
    assert contents(table) == {
        "a": [1.0, -0.5],
        "b": ["1.", "x"],
        "c": ["TRUE", "true"],
        "d": [None, None],
        "e": [1000.0, 7.0],
        "f": ["1_0", "0x1"],
    }


def test_what_spreadsheets_would_run_stays_text(tmp_path: Path) -> None:
    nasty = ["=cmd|' /C calc'!A0", "@SUM(1+1)", "+1+cmd", '=HYPERLINK("x")']
    text = io.StringIO()
    csv.writer(text).writerows([["a", "y"], *([cell, row] for row, cell in enumerate(nasty))])
    assert cells(read_table(written(tmp_path, text.getvalue()), "y")) == nasty


def test_numbers_are_exact(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random(2_000) * 10.0 ** np.random.default_rng(1).integers(-300, 38, 2_000)
    back = read_table(written(tmp_path, "a\n" + "\n".join(repr(float(value)) for value in values)))
    assert back.values("a").tobytes() == values.tobytes()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a,b\n1,2\n", ["a", "b"]),
        ("a;b\n1;2\n", ["a", "b"]),
        ("a\tb, c\n1\t2\n", ["a", "b, c"]),
        ("a,b;c\n1,2\n3,4\n", ["a", "b;c"]),
        ("a;b,c\n1;2\n3;4\n", ["a", "b,c"]),
        ('"a;b;c",d\n1,2\n', ["a;b;c", "d"]),
        ('"a";"b,c";"d,e"\n"1";"x,y";"2,z"\n', ["a", "b,c", "d,e"]),
        ("alone\n1\n", ["alone"]),
    ],
)
def test_the_delimiter_is_the_one_that_suits_header_and_rows(tmp_path: Path, text: str, names: list[str]) -> None:
    assert list(read_table(written(tmp_path, text)).features) == names


def test_blanks_may_stand_before_quotes(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, 'a, "b, c"\n1, "x, y"\n 2,  z \n'))
    assert contents(table) == {"a": [1.0, 2.0], "b, c": ["x, y", "z"]}


def test_drop_and_categorical(tmp_path: Path) -> None:
    path = written(tmp_path, ",zip,n,y\n0,007,1,a\n1,010,2,b\n")
    table = read_table(path, "y", drop=("column_1",), categorical=("zip",))
    assert list(contents(table).items()) == [("zip", ["007", "010"]), ("n", [1.0, 2.0])]


COUNTED = "a,y\n" + "".join(f"{number},1\n" for number in range(30))


@pytest.mark.parametrize(
    ("content", "options", "message", "hint"),
    [
        ("", {}, "an empty file", "get the file again"),
        ("\n \n", {}, "holds no line", None),
        ("a,y\n", {}, "has a header and no rows", None),
        ("1,2.5\n3,4\n", {}, "its first line holds numbers only", "if these are names: read: {header: 0}"),
        ("a,b,a,y\n1,2,3,4\n", {}, "line 1 names two columns a", None),
        (",y\n1,2\n", {}, "column 1 has no name in the header", r"drop: \[column_1\]"),
        ("a,y\n1,2\n3\n", {}, "line 3 has 1 field, and the header has 2", None),
        ("a,y\n1,2\n\n3,4,5\n", {}, "line 4 has 3 fields, and the header has 2", None),
        ('a,y\n"1\n1",2\n3,4,5\n', {}, "line 4 has 3 fields, and the header has 2", None),
        ('a,y\n1,2\n"3,4\n5,6\n', {}, "line 3 is no row of cells: unexpected end of data", None),
        ('a,y\n1,2\n"3"x,4\n', {}, "line 3 is no row of cells: ',' expected after '\"'", None),
        ("a,Yield\n1,2\n", {"target": "yield"}, "target: no column yield; did you mean Yield?", "columns: a, Yield"),
        ("5.1,3.5,setosa\n4,3,versicolor\n", {}, "target: no column y", "if this is no header: read: {header: none}"),
        ("a,y\n1,2\n", {"drop": ("b",)}, "drop: no column b", "columns: a, y"),
        ("a,y\n1,2\n", {"categorical": ["b"]}, "categorical: no column b", "columns: a, y"),
        ("a,y\n1,2\n", {"drop": ["y"]}, "column y is the target and is in drop as well", "take it out of drop"),
        ("a,y\n1,2\n", {"drop": ["a"]}, "has no column to learn from", "columns: a, y"),
        (COUNTED + "x,1\nz,1\n", {}, r"column a holds 'x' in line 32 \(2 such rows\), which is not a number", r"drop: \[a\]"),
        ("a;y\n1;2\n2,5;3\n", {}, "column a holds '2,5' in line 3, which is not a number", 'read: {decimal: ","}'),
        ("a,y\n1,2\n-inf,3\n", {}, "column a holds -inf in line 3, which is not finite", None),
        ("a,y\n1,2\n1e39,3\n", {}, r"column a holds 1e\+39 in line 3, which is larger than 3.4e\+38", None),
        ("a,y\n1,2\n1e999,3\n", {}, "column a holds inf in line 3, which is not finite", None),
        ("a,y\n1,caf\xe9\n".encode("latin-1"), {}, "not UTF-8: a byte in line 2", "encoding: cp1252"),
        (b"a,y\n1,\xe2\x82", {}, "not UTF-8: a byte in line 2", "save it as UTF-8"),
        ("a,y\n1,2\n".encode("utf-16"), {}, "not UTF-8: a byte in line 1", "utf-16"),
        ("a,y\n1,2\n".encode("utf-32"), {}, "not UTF-8: a byte in line 1", "save it as UTF-8"),
        ("a,y\n1,2\n".encode("utf-16-le"), {}, "not a text file: line 1 holds a zero byte", None),
        (b"a,y\n1,2\n\0", {}, "not a text file: line 3 holds a zero byte", None),
        (b"PK\x03\x04rest", {}, "starts like an Excel, zip or parquet file", "save it as text in UTF-8"),
        (b"PAR1rest", {}, "starts like an Excel, zip or parquet file", None),
        ("<!DOCTYPE html><html>", {}, "starts with <!DOCTYPE: an HTML page saved in place of the data", "get the file again"),
        ("version https://git-lfs.github.com/spec/v1\n", {}, "a Git LFS pointer, not the data", "get the file again"),
    ],
)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_faults(
    tmp_path: Path, content: str | bytes, options: dict[str, Any], message: str, hint: str | None, suffix: str
) -> None:
    raw = content.encode() if isinstance(content, str) else content
    path = written(tmp_path, gzip.compress(raw) if suffix else raw, f"some.csv{suffix}")
    with pytest.raises(DataError, match=message) as caught:
        read_table(path, **({"target": "y"} | options))
    assert caught.value.message.startswith(f"{path}: ") and "\n" not in caught.value.message
    assert hint is None or (caught.value.hint is not None and re.search(hint, caught.value.hint))


@pytest.mark.parametrize("name", ["some.xlsx", "some", "some.gz", "some.parquet.gz", "csv"])
def test_the_name_tells_what_a_file_is(name: str) -> None:
    assert not is_table(name)


@pytest.mark.parametrize("name", ["some.csv", "SOME.CSV", "a.b.csv", "some.tsv", "some.tab", ".some.csv"])
def test_names_that_are_read(tmp_path: Path, name: str) -> None:
    assert len(read_table(written(tmp_path, "a\ty\n1\t2\n", name)).features) == 2


def test_missing_file_and_folder(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    for name, reason in (("none.csv", "no such file"), ("folder.csv", "not a file")):
        with pytest.raises(DataError, match=reason):
            read_table(tmp_path / name)


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for content, reason in (
        (gzip.compress(b"," * 200_000), "more than 100,000 fields"),
        (gzip.compress(b'a,y\n"' + b"x" * 200_000), "field larger than field limit"),
    ):
        with pytest.raises(DataError, match=reason):
            read_table(written(tmp_path, content, "some.csv.gz"))
    text = "a,y\n" + "1,2\n" * 10
    for memory, reason in ((84, None), (80, "holds more than 40 bytes, half of the memory"), (300, "holds more than 150 bytes")):
        # The text takes 44 bytes, and so many cells 160: half of the memory may be used.
        monkeypatch.setattr("mlp_cli.data.streams.available_memory", lambda memory=memory: memory)
        with pytest.raises(DataError, match=reason or "holds more than 42"):
            read_table(written(tmp_path, text))
    monkeypatch.setattr("mlp_cli.data.streams.available_memory", lambda: 408)
    assert len(read_table(written(tmp_path, text))) == 10


def test_damaged_files_are_data_errors_and_nothing_else(tmp_path: Path) -> None:
    generator = random.Random(0)
    good = 'a,"b, c",d,y\n' + "".join(f'{row},"t{row % 3}",{row / 7},{row % 2}\n' for row in range(8))
    readable = 0
    count = 3 * settings().max_examples
    for turn in range(count):
        content = bytearray(good.encode())
        for _ in range(generator.choice([1, 1, 2, 8])):
            content[generator.randrange(len(content))] = generator.choice([generator.randrange(256), *b'",\n\r;\0'])
        if turn % 3 == 0:
            content = content[: generator.randrange(len(content))]
        path = written(tmp_path, gzip.compress(content) if turn % 2 else bytes(content), f"some.csv{'.gz' if turn % 2 else ''}")
        try:
            table = read_table(path, "y")
            read_target(table)
            fit_encoding(table, np.arange(len(table)), "mean").apply(table)
            readable += 1
        except DataError as error:
            assert "\n" not in error.message
    assert count / 15 < readable < count * 14 / 15


@given(content=st.binary(max_size=60) | st.text(alphabet='a1",;\n\r\t .', max_size=40).map(str.encode))
def test_any_bytes_at_all(folder: Path, content: bytes) -> None:
    try:
        read_table(written(folder, content))
    except DataError as error:
        assert "\n" not in error.message


def told(table: Table) -> str:
    """The one notice of a table, without its path."""
    (notice,) = table.notices
    return notice.removeprefix(f"{table.path}: ")


@pytest.mark.parametrize(
    ("text", "read", "expected"),
    [
        # As pandas.read_csv reads them, with the options of the same names.
        ("a|b\n1|2\n3|4\n", {}, {"a": [1, 3], "b": [2, 4]}),
        ("a:b\n1:2\n", {"sep": ":"}, {"a": [1], "b": [2]}),
        (" a   b\n 1\t2 \n\n3  4\n", {"sep": r"\s+"}, {"a": [1, 3], "b": [2, 4]}),
        ('a  b\n1  "x  y"\n', {"sep": " "}, {"a": [1], "b": ["x  y"]}),
        ("a;b\n1,5;2\n-3,25;1e3\n", {"decimal": ","}, {"a": [1.5, -3.25], "b": [2, 1000]}),
        ('a,b\n"1,500",1\n"-2,000,000.5",2\n30,3\n', {"thousands": ","}, {"a": [1500, -2000000.5, 30], "b": [1, 2, 3]}),
        ("a;b\n1.234,5;1\n2;2\n", {"thousands": ".", "decimal": ","}, {"a": [1234.5, 2], "b": [1, 2]}),
        ("a;b\n1 234;1\n", {"thousands": " ", "sep": ";"}, {"a": [1234], "b": [1]}),
        ("1,2\n3,4\n", {"header": 0}, {"1": [3], "2": [4]}),
        ("\n1,x\n3,z\n", {"header": "none"}, {"0": [1, 3], "1": ["x", "z"]}),
        ('"x, by y"\n\nfrom,all,of,them\na,b\n1,2\n', {"header": 2}, {"a": [1], "b": [2]}),
        ('a,b\n-99.0,1\n"1,000",2\n', {"na_values": ("-99",), "thousands": ","}, {"a": [None, 1000], "b": [1, 2]}),
        ("a,b\n-99,x\n-99.0,u\n1,v\n", {"na_values": ("-99", "x")}, {"a": [None, None, 1], "b": [None, "u", "v"]}),
        (
            "a,b\nNA,1\n,2\nNone,?\n",
            {"keep_default_na": False, "na_values": ("?",)},
            {"a": ["NA", None, "None"], "b": [1, 2, None]},
        ),
        ("a,b\nNA,1\nDE,None\n", {}, {"a": [None, "DE"], "b": [1, None]}),
    ],
)
def test_how_a_text_is_read_can_be_said(tmp_path: Path, text: str, read: dict[str, Any], expected: dict[str, list[Any]]) -> None:
    assert contents(read_table(written(tmp_path, text), read=Read(**read))) == expected


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-16-le", "utf-8-sig", "utf-32"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    path = written(tmp_path, "\na,b\ncafé,ß\n".encode(encoding))
    table = read_table(path, read=Read(encoding=encoding))
    assert contents(table) == {"a": ["café"], "b": ["ß"]} and table.places.tolist() == [3]
    with pytest.raises(DataError, match="not ASCII: a byte in line"):
        read_table(path, read=Read(encoding="ascii"))


@pytest.mark.parametrize(
    ("content", "read", "message", "hint"),
    [
        # A second header, a row of units, a price, a share, a date among numbers.
        ("a,y\n1,p\n2,q\na,y\n", {}, "column a holds 'a' in line 4, which is not a number", r"categorical: \[a\]; drop: \[a\]"),
        ("a,y\ncm,p\n1,q\n2,q\n", {}, "column a holds 'cm' in line 2, which is not a number", r"na_values: \['cm'\]"),
        ("a,y\n1,p\n$104,q\n$7,q\n", {}, r"column a holds '\$104' in line 3 \(2 such rows\), which is not a number", None),
        ("a,y\n1,p\n12%,q\n", {}, "column a holds '12%' in line 3, which is not a number", None),
        ("a,y\n1,p\n2020-01-05,q\n", {}, "column a holds '2020-01-05' in line 3, which is not a number", None),
        ('a,y\n"1,500",p\n"2,000.5",q\n3,q\n', {}, r"column a holds '1,500' in line 2 \(2 such rows\)", 'read: {thousands: ","}'),
        ('a,y\n"1,500",p\n"2,000",q\n', {}, "column a holds '1,500' in line 2", 'read: {thousands: ","}'),
        ("a;y\n1,5;p\n2,500;q\n", {}, "column a holds '1,5' in line 2", 'read: {decimal: ","}'),
        ("a;y\n1.500;p\n2,5;q\n", {"decimal": ","}, "column a holds '1.500' in line 2", r'read: {thousands: "\."}'),
        ("a;y\n1'500'000;p\n12'000.5;q\n", {}, "column a holds", 'read: {thousands: "\'"}'),
        ("a,y\n1 500,p\n3,q\n", {}, "column a holds '1 500' in line 2", 'read: {thousands: " "}'),
        ('a,y\n"1,5",p\n"2,000",q\n', {"thousands": ","}, "column a holds '1,5' in line 2", None),
        ("a,y\n1,p\n2\n", {"sep": ","}, "line 3 has 1 field, and the header has 2", "read: {sep"),
        ('a,b,y\n1,"x,p\n2,z,q\n3,w",p\n', {}, "line 2 opens a quote that swallows the rows up to line 4", "close it"),
        ("a,b;c\n1,2;3\n", {}, "both ',' and ';' cut its first lines alike", "read: {sep: ','}"),
        ("title\na,y\n1,2\n", {}, "line 2 has 2 fields, and the header has 1", "{header: …}"),
        ("a y\n1 2\n", {}, "target: no column y", r"read: {sep: \\s\+}"),
        ("a,y\n1,2\n", {"header": 7}, "has no row 7, counted from 0", None),
        ("1,2\n3,4\n", {}, "its first line holds numbers only", "read: {header: none}"),
        ("1,2\n", {"header": 0}, "has a header and no rows", None),
    ],
)
def test_faults_of_cells_and_rows(tmp_path: Path, content: str, read: dict[str, Any], message: str, hint: str | None) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_table(written(tmp_path, content), "y", read=Read(**read))
    assert hint is None or re.search(hint, caught.value.hint or "")


def test_codes_with_leading_zeros_are_kept(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, "n,zip,y\n1,00123,p\n2,00124,q\n3,10000,q\n"), "y")
    assert contents(table) == {"n": [1, 2, 3], "zip": ["00123", "00124", "10000"]}
    assert told(table) == "column zip holds '00123' in line 2: leading zeros, so its cells are taken as texts"
    table = read_table(written(tmp_path, "n,zip,y\n0.5,0123,p\n0,,q\n1.007,x,q\n-0.01,9,q\n"), "y")
    assert contents(table) == {"n": [0.5, 0, 1.007, -0.01], "zip": ["0123", None, "x", "9"]}
    assert read_table(written(tmp_path, "zip,y\n007,p\n"), "y", categorical=("zip",)).notices == ()


def test_categories_that_look_like_amounts_are_told(tmp_path: Path) -> None:
    path = written(tmp_path, "day,price,size,y\n2020-01-05,$104,XL,1\n2020-01-06,€7,M,2\n2020-01-05,$104,3 XL,3\n")
    table = read_table(path, "y")
    assert contents(table)["price"] == ["$104", "€7", "$104"]
    assert [notice.removeprefix(f"{path}: ") for notice in table.notices] == [
        "column day holds '2020-01-05' in line 2 (2 such rows): no plain numbers, so 2 categories",
        "column price holds '$104' in line 2 (2 such rows): no plain numbers, so 2 categories",
    ]
    assert read_table(path, "y", categorical=("day", "price")).notices == ()


def test_a_category_taken_for_missing_is_told(tmp_path: Path) -> None:
    path = written(tmp_path, "country,y\nNA,1\nDE,2\n")
    assert (
        told(read_table(path, "y"))
        == "column country holds NA, taken for a missing value; read: {keep_default_na: false} makes it a value"
    )
    assert read_table(path, "y", read=Read(na_values=("NA",))).notices == ()
    assert read_table(path, "y", read=Read(keep_default_na=False)).notices == ()


def test_a_file_in_another_folder_named_like_a_tsv(tmp_path: Path) -> None:
    assert read_table(written(tmp_path, "a,y\n1,2\n", "x.tsv.csv")).features == ("a", "y")
    assert read_table(written(tmp_path, "a;b\ty\n1\t2\n", "x.csv.tsv")).features == ("a;b", "y")
