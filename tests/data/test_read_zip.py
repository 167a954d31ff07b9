import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hostile import BIG, check_mutants, refuses
from hypothesis import given
from hypothesis import strategies as st

from mlp_cli.data.read_zip import is_zip, open_zip
from mlp_cli.data.streams import read_all
from mlp_cli.errors import DataError

NAMES = st.text(st.characters(exclude_characters="\0/\\", exclude_categories=("Cs", "Cc")), min_size=1, max_size=20)


def contents(path: Path) -> dict[str, bytes]:
    with open_zip(path) as members:
        return {name: read_all(member, 1 << 30) for name, member in members.items()}


def archive_of(path: Path, *files: tuple[str, bytes], **options: Any) -> Path:
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return path


@given(files=st.dictionaries(NAMES, st.binary(max_size=3000), max_size=5), packed=st.booleans())
def test_reads_what_is_written(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], packed: bool) -> None:
    path = tmp_path_factory.getbasetemp() / "a.zip"
    archive_of(path, *files.items(), compression=zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED)
    assert contents(path) == files


def test_only_files(tmp_path: Path) -> None:
    path = archive_of(tmp_path / "a.zip", ("folder/", b""), ("folder/a", b"1"), ("../b", b"2"), ("/c", b"3"))
    assert contents(path) == {"folder/a": b"1", "../b": b"2", "/c": b"3"}
    assert list(tmp_path.iterdir()) == [path]


def test_errors_of_the_body_are_its_own(tmp_path: Path) -> None:
    path = archive_of(tmp_path / "a.zip", ("a", b"1"))
    with pytest.raises(ValueError, match="mine"), open_zip(path):
        raise ValueError("mine")


def test_other_files(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(b"hello")
    assert not is_zip(path)
    refuses(contents, path, "not a zip archive")
    path.write_text("<html>")
    refuses(contents, path, "HTML page")
    refuses(contents, tmp_path / "none.zip", "no such file")
    path.write_bytes(b"PK\3\4" + bytes(100))
    refuses(contents, path, "not a usable zip archive")


@BIG
def test_bomb(tmp_path: Path, size: int) -> None:
    path = archive_of(tmp_path / "a.zip", ("zeros", bytes(size)), compression=zipfile.ZIP_DEFLATED)
    refuses(contents, path, "zeros", "bomb")


@BIG
def test_many_small_bombs(tmp_path: Path, size: int) -> None:
    files = [(f"zeros{number}", bytes(8 << 20)) for number in range(size >> 23)]
    refuses(contents, archive_of(tmp_path / "a.zip", *files, compression=zipfile.ZIP_DEFLATED), "bomb")


def patched(path: Path, mark: bytes, at: int, value: bytes) -> Path:
    """Overwrites a field of the (only, last) record that starts with `mark`."""
    content = bytearray(path.read_bytes())
    start = content.rindex(mark) + at
    content[start : start + len(value)] = value
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (24, struct.pack("<I", 0xFFFFFF00)),
        (24, struct.pack("<I", 5)),
        (20, struct.pack("<I", 0xFFFFFF00)),
        (10, struct.pack("<H", 12)),
        (8, struct.pack("<H", 1)),
        (16, bytes(4)),
        (42, struct.pack("<I", 1 << 30)),
    ],
    ids=["content", "less content", "packed size", "method", "encrypted", "checksum", "place"],
)
def test_lies_of_the_list(tmp_path: Path, at: int, value: bytes) -> None:
    path = archive_of(tmp_path / "a.zip", ("a.npy", bytes(range(256)) * 4), compression=zipfile.ZIP_DEFLATED)
    refuses(contents, patched(path, b"PK\1\2", at, value))


def test_a_list_of_any_length(tmp_path: Path) -> None:
    path = archive_of(tmp_path / "a.zip", ("a", bytes(60 << 20)))
    refuses(contents, patched(path, b"PK\5\6", 12, struct.pack("<I", 50 << 20)), "list of members")


def test_a_list_of_many_entries(tmp_path: Path) -> None:
    path = archive_of(tmp_path / "a.zip", ("a", b""))
    content = path.read_bytes()
    start, end = content.index(b"PK\1\2"), content.index(b"PK\5\6")
    entries = content[start:end] * 110_000
    fields = struct.pack("<HHII", 0xFFFF, 0xFFFF, len(entries), start)
    path.write_bytes(content[:start] + entries + b"PK\5\6" + bytes(4) + fields + bytes(2))
    refuses(contents, path, "more than 100,000 members")


def test_members_that_share_bytes(tmp_path: Path) -> None:
    """The quine-like bomb: many entries of the list, one stretch of packed bytes."""
    path = archive_of(tmp_path / "a.zip", ("a", bytes(1 << 20)), ("b", b"x"), compression=zipfile.ZIP_DEFLATED)
    refuses(contents, patched(path, b"PK\1\2", 42, bytes(4)))


def test_two_of_a_name(tmp_path: Path) -> None:
    with pytest.warns(UserWarning):
        path = archive_of(tmp_path / "a.zip", ("a", b"1"), ("a", b"2"))
    refuses(contents, path, "same name")


def test_names_are_told_in_one_line(tmp_path: Path) -> None:
    path = archive_of(tmp_path / "a.zip", ("a\n\x1b[31m" + "b" * 5000, b"1" * 100))
    message = refuses(contents, patched(path, b"PK\1\2", 16, bytes(4)))
    assert len(message) < 500


@pytest.mark.parametrize("packed", [False, True])
def test_mutants(tmp_path: Path, packed: bool) -> None:
    path = archive_of(tmp_path / "a.zip", ("a", b"hello " * 9), ("b/c", b"world"), compression=8 if packed else 0)
    check_mutants(contents, path, 0.5)


def test_missing_folder_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        is_zip(tmp_path)
