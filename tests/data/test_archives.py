"""Tar and zip archives, read member by member: what is written comes back, what lies is refused, nothing reaches the disk."""

import gzip
import io
import lzma
import struct
import tarfile
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hostile import check_mutants, limits, refuses
from hypothesis import given
from hypothesis import strategies as st

from mlp_cli.data import streams
from mlp_cli.data.streams import members

NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=30)
NAMES = NAMES.filter(lambda name: name.strip("/") == name) | st.text("abc/é", min_size=150, max_size=300).map(
    lambda name: f"d{name}d"
)
FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def contents(path: Path) -> list[tuple[str, bytes]]:
    return [(member.member, bytes(member.read())) for member in members(path)]


def tar_of(path: Path, *files: tuple[str, bytes], mode: Any = "w", **options: Any) -> Path:
    with tarfile.open(path, mode, **options) as archive:
        for name, content in files:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


@given(
    files=st.lists(st.tuples(NAMES, st.binary(max_size=2000)), max_size=5),
    form=st.sampled_from(["gnu", "pax"]),
    mode=st.sampled_from(["w", "w:gz", "w:xz"]),
)
def test_tar_gives_what_is_written(
    tmp_path_factory: pytest.TempPathFactory, files: list[tuple[str, bytes]], form: str, mode: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "a.tar"
    tar_of(path, *files, mode=mode, format=FORMATS[form])
    assert contents(path) == files


def test_ustar_with_a_long_folder(tmp_path: Path) -> None:
    name = "folder/" * 15 + "file.png"
    path = tar_of(tmp_path / "a.tar", (name, b"1"), format=FORMATS["ustar"])
    assert contents(path) == [(name, b"1")]


def test_members_need_not_be_read(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "a.tar.gz", ("a", bytes(5000)), ("b", b"2" * 700), ("c", b"3"), mode="w:gz")
    seen = []
    for member in members(path):
        seen.append((member.member, len(member.read(300)) if member.member != "c" else 0))
    assert seen == [("a", 300), ("b", 300), ("c", 0)]


def test_links_devices_and_strange_names(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE):
            info = tarfile.TarInfo(f"special{kind.decode()}")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        for name in ("../../outside", "/absolute", "a/../../b"):
            info = tarfile.TarInfo(name)
            info.size = 1
            archive.addfile(info, io.BytesIO(b"x"))
    assert contents(path) == [("special5/", b""), ("../../outside", b"x"), ("/absolute", b"x"), ("a/../../b", b"x")]
    assert list(tmp_path.iterdir()) == [path]


def block(name: bytes = b"a", size: bytes = b"00000000001\0", kind: bytes = b"0", magic: bytes = b"ustar\x0000") -> bytes:
    header = bytearray(512)
    header[: len(name)] = name
    header[124:136] = size
    header[148:156] = b" " * 8
    header[156:157] = kind
    header[257:265] = magic
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def pax(content: bytes) -> bytes:
    return block(b"p", b"%011o\0" % len(content), b"x") + content + bytes(-len(content) % 512)


END = bytes(1024)
DATA = b"x" + bytes(511)
REFUSED = {
    "huge size": block(size=b"77777777777\0") + DATA + END,
    "endless size": block(size=b"\x80" + b"\x7f" * 11) + DATA + END,
    "negative size": block(size=b"\xff" * 12) + DATA + END,
    "no number": block(size=b"hello\0\0\0\0\0\0\0") + DATA + END,
    "checksum": block().replace(b"a", b"b", 1) + DATA + END,
    "huge long name": block(size=b"77777777777\0", kind=b"L") + DATA + END,
    "huge extended header": block(size=b"00004000000\0", kind=b"x") + bytes(1 << 20) + END,
    "sparse": block(kind=b"S") + DATA + END,
    "pax sparse": pax(b"22 GNU.sparse.major=1\n") + block() + DATA + END,
    "pax record of no length": pax(b"0 path=a\n") + block() + DATA + END,
    "pax record of no length after another": pax(b"9 path=a\n0 path=b\n") + block() + DATA + END,
    "pax size": pax(b"25 size=99999999999999\n\0\0") + block() + DATA + END,
    "pax size is no number": pax(b"11 size=-1\n") + block() + DATA + END,
    "cut in the data": block(size=b"00000002000\0") + DATA,
    "cut in a header": block()[:300],
    "an html page": b"<html>" + bytes(506),
    "text": b"hello " * 200,
    "nothing": b"",
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", REFUSED)
def test_tar_refuses(tmp_path: Path, name: str, packed: bool) -> None:
    path = tmp_path / ("a.tar.gz" if packed else "a.tar")
    path.write_bytes(gzip.compress(REFUSED[name]) if packed else REFUSED[name])
    if name in ("nothing", "an html page") and packed:
        assert name != "an html page" or refuses(contents, path)
        return
    refuses(contents, path)


@pytest.mark.parametrize("size", [b"77777777777\0", b"\x80" + b"\x7f" * 11])
def test_an_end_that_is_far_away_is_not_looked_for(tmp_path: Path, size: bytes) -> None:
    """The library would read nothing, some 10 kB at a time, for as many bytes as are declared."""
    path = tmp_path / "a.tar"
    path.write_bytes(block(size=size) + DATA)
    refuses(lambda path: list(members(path)), path, "truncated: it ends before what it declares does")


def test_an_archive_that_just_ends(tmp_path: Path) -> None:
    """Some writers leave out the blocks of zeros at the end."""
    path = tmp_path / "a.tar"
    path.write_bytes(block() + DATA)
    assert contents(path) == [("a", b"x")]
    path.write_bytes(block() + DATA[:-1])
    refuses(contents, path, "unexpected end of data")


def test_old_checksums(tmp_path: Path) -> None:
    """Sums over signed bytes, as some old writers made them."""
    header = bytearray(block("é".encode()))
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + 8 * 32 + sum(header[156:]) - 256 * 2)
    path = tmp_path / "a.tar"
    path.write_bytes(header + DATA + END)
    assert contents(path) == [("é", b"x")]


def test_names_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(block(b"\xff\xfe/a") + DATA + END)
    assert contents(path) == [("\udcff\udcfe/a", b"x")]


@pytest.mark.parametrize("suffix", [".gz", ".xz"])
@pytest.mark.parametrize("use", [contents, lambda path: list(members(path))], ids=["read", "passed over"])
def test_more_than_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, use: Any) -> None:
    monkeypatch.setattr(streams, "LIMIT", 5 << 20)
    path = tmp_path / f"a.tar{suffix}"
    pack: Any = {".gz": gzip.compress, ".xz": partial(lzma.compress, preset=0)}[suffix]
    path.write_bytes(pack((block(size=b"00004000000\0") + bytes(1 << 20)) * 6 + END))
    with limits():
        refuses(use, path, "holds more than 5,242,880 bytes")


def test_a_cut_that_nobody_reads_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(block(size=b"00000002000\0") + DATA)
    refuses(lambda path: list(members(path)), path, "unexpected end of data")


def test_damage_after_the_last_member_is_found(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "a.tar.gz", ("a", b"x"), mode="w:gz")
    content = path.read_bytes()
    path.write_bytes(content[:-5] + bytes([content[-5] ^ 1]) + content[-4:])
    refuses(contents, path, "damaged")
    long = bytearray(gzip.compress(block() + DATA + END + bytes(5 << 20)))
    long[-5] ^= 1
    path.write_bytes(long)
    refuses(contents, path, "damaged")


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_mutants_of_tar(tmp_path: Path, form: str, mode: str) -> None:
    files = [("folder/file.png", b"hello"), ("n" * 99, b"world")]
    path = tar_of(tmp_path / f"a.tar{'.gz' * (mode == 'w:gz')}", *files, mode=mode, format=FORMATS[form])
    check_mutants(contents, path, 0.75 if mode == "w:gz" else 0.05)


ZIP_NAMES = st.text(st.characters(exclude_characters="\0/\\", exclude_categories=("Cs", "Cc")), min_size=1, max_size=20)


def zip_of(path: Path, *files: tuple[str, bytes], **options: Any) -> Path:
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return path


@given(files=st.dictionaries(ZIP_NAMES, st.binary(max_size=3000), max_size=5), packed=st.booleans())
def test_zip_gives_what_is_written(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], packed: bool) -> None:
    path = tmp_path_factory.getbasetemp() / "a.zip"
    zip_of(path, *files.items(), compression=zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED)
    assert dict(contents(path)) == files


def test_only_files(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "a.zip", ("folder/", b""), ("folder/a", b"1"), ("../b", b"2"), ("/c", b"3"))
    assert contents(path) == [("folder/", b""), ("folder/a", b"1"), ("../b", b"2"), ("/c", b"3")]
    assert list(tmp_path.iterdir()) == [path]


def test_other_files(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(b"hello")
    refuses(contents, path, "damaged or not usable (file is not a zip file)")
    path.write_text("<html>")
    refuses(contents, path, "HTML page")
    refuses(contents, tmp_path / "none.zip", "no such file")
    path.write_bytes(b"PK\3\4" + bytes(100))
    refuses(contents, path, "damaged or not usable (file is not a zip file)")
    refuses(contents, tmp_path, "not a file")


def test_members_count_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "LIMIT", 5 << 20)
    files = [(f"zeros{number}", bytes(1 << 20)) for number in range(6)]
    path = zip_of(tmp_path / "a.zip", *files, compression=zipfile.ZIP_DEFLATED)
    refuses(contents, path, "holds more than 5,242,880 bytes")
    monkeypatch.setattr(streams, "LIMIT", 7 << 20)
    assert dict(contents(path)) == dict(files)


@pytest.mark.parametrize("pack", [gzip.compress, partial(lzma.compress, preset=0)])
def test_a_packed_zip(tmp_path: Path, pack: Any) -> None:
    path = zip_of(tmp_path / "a.zip", ("a", b"1"))
    path.write_bytes(pack(path.read_bytes()))
    assert contents(path) == [("a", b"1")]


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
        (24, struct.pack("<I", 5)),
        (10, struct.pack("<H", 12)),
        (8, struct.pack("<H", 1)),
        (16, bytes(4)),
        (42, struct.pack("<I", 1 << 30)),
    ],
    ids=["less content", "method", "encrypted", "checksum", "place"],
)
def test_lies_of_the_list(tmp_path: Path, at: int, value: bytes) -> None:
    path = zip_of(tmp_path / "a.zip", ("a.npy", bytes(range(256)) * 4), compression=zipfile.ZIP_DEFLATED)
    refuses(contents, patched(path, b"PK\1\2", at, value))


@pytest.mark.parametrize("at", [20, 24], ids=["packed size", "content"])
def test_sizes_that_are_too_large_cost_nothing(tmp_path: Path, at: int) -> None:
    path = zip_of(tmp_path / "a.zip", ("a", bytes(range(256)) * 4), compression=zipfile.ZIP_DEFLATED)
    with limits():
        assert contents(patched(path, b"PK\1\2", at, struct.pack("<I", 0xFFFFFF00))) == [("a", bytes(range(256)) * 4)]


def test_a_list_of_any_length(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "a.zip", ("a", bytes(60 << 20)))
    refuses(contents, patched(path, b"PK\5\6", 12, struct.pack("<I", 50 << 20)), "a list of members of 52,428,800 bytes")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_methods(tmp_path: Path, method: int) -> None:
    """A member's own header of LZMA could ask for any memory."""
    refuses(contents, zip_of(tmp_path / "a.zip", ("a", b"1"), compression=method), "compressed by method")


def test_two_of_a_name(tmp_path: Path) -> None:
    with pytest.warns(UserWarning):
        path = zip_of(tmp_path / "a.zip", ("a", b"1"), ("a", b"2"))
    refuses(contents, path, "same name")


def test_names_are_told_in_one_line(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "a.zip", ("a\n\x1b[31m" + "b" * 5000, b"1" * 100))
    message = refuses(contents, patched(path, b"PK\1\2", 16, bytes(4)))
    assert len(message) < 500


@pytest.mark.parametrize("packed", [False, True])
def test_mutants_of_zip(tmp_path: Path, packed: bool) -> None:
    path = zip_of(tmp_path / "a.zip", ("a", b"hello " * 9), ("b/c", b"world"), compression=8 if packed else 0)
    check_mutants(contents, path, 0.5)
