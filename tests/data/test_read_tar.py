import gzip
import io
import lzma
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hostile import BIG, check_mutants, limits, refuses
from hypothesis import given
from hypothesis import strategies as st

from mlp_cli.data.read_tar import tar_members
from mlp_cli.data.streams import read_all

NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=30)
NAMES = NAMES.filter(lambda name: name.strip("/") == name) | st.text("abc/é", min_size=150, max_size=300).map(
    lambda name: f"d{name}d"
)
FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def contents(path: Path) -> list[tuple[str, bytes]]:
    return [(member.name, read_all(member, 1 << 30)) for member in tar_members(path)]


def archive_of(path: Path, *files: tuple[str, bytes], mode: Any = "w", **options: Any) -> Path:
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
def test_reads_what_is_written(
    tmp_path_factory: pytest.TempPathFactory, files: list[tuple[str, bytes]], form: str, mode: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "a.tar"
    archive_of(path, *files, mode=mode, format=FORMATS[form])
    assert contents(path) == files


def test_ustar_with_a_long_folder(tmp_path: Path) -> None:
    name = "folder/" * 15 + "file.png"
    path = archive_of(tmp_path / "a.tar", (name, b"1"), format=FORMATS["ustar"])
    assert contents(path) == [(name, b"1")]


def test_members_need_not_be_read(tmp_path: Path) -> None:
    path = archive_of(tmp_path / "a.tar.gz", ("a", bytes(5000)), ("b", b"2" * 700), ("c", b"3"), mode="w:gz")
    seen = []
    for member in tar_members(path):
        buffer = bytearray(300)
        seen.append((member.name, member.fill(memoryview(buffer)) if member.name != "c" else 0))
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
    assert contents(path) == [("../../outside", b"x"), ("/absolute", b"x"), ("a/../../b", b"x")]
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
    "pax record without end": pax(b"99 path=a\n") + block() + DATA + END,
    "pax record without a name": pax(b"12 aaaaaaaa\n") + block() + DATA + END,
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
def test_refuses(tmp_path: Path, name: str, packed: bool) -> None:
    path = tmp_path / ("a.tar.gz" if packed else "a.tar")
    path.write_bytes(gzip.compress(REFUSED[name]) if packed else REFUSED[name])
    if name in ("nothing", "an html page") and packed:
        assert name != "an html page" or refuses(contents, path)
        return
    refuses(contents, path)


def test_an_archive_that_just_ends(tmp_path: Path) -> None:
    """Some writers leave out the blocks of zeros at the end, and the filling of the last member."""
    path = tmp_path / "a.tar"
    path.write_bytes(block() + b"x")
    assert contents(path) == [("a", b"x")]


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
    assert contents(path) == [("\\xff\\xfe/a", b"x")]


PACKERS: dict[str, Any] = {
    "gzip": lambda content: gzip.compress(content, 1),
    "xz": lambda content: lzma.compress(content, preset=0),
}


@BIG
@pytest.mark.parametrize("packing", PACKERS)
def test_bomb(tmp_path: Path, packing: str, size: int) -> None:
    path = tmp_path / "a.tar.packed"
    path.write_bytes(PACKERS[packing](block(size=b"02000000000\0") + bytes(size)))
    refuses(contents, path, "bomb")


@BIG
def test_bomb_of_members_that_nobody_reads(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress((block(size=b"00040000000\0") + bytes(8 << 20)) * (size >> 23), 1))
    with limits():
        refuses(lambda path: list(tar_members(path)), path, "bomb")


def test_a_cut_that_nobody_reads_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(block(size=b"00000002000\0") + DATA)
    refuses(lambda path: list(tar_members(path)), path, "ends within a member")


def test_damage_after_the_last_member_is_found(tmp_path: Path) -> None:
    path = archive_of(tmp_path / "a.tar.gz", ("a", b"x"), mode="w:gz")
    content = path.read_bytes()
    path.write_bytes(content[:-5] + bytes([content[-5] ^ 1]) + content[-4:])
    refuses(contents, path, "damaged")
    long = bytearray(gzip.compress(block() + DATA + END + bytes(5 << 20)))
    long[-5] ^= 1
    path.write_bytes(long)
    refuses(contents, path, "damaged")


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_mutants(tmp_path: Path, form: str, mode: str) -> None:
    files = [("folder/file.png", b"hello"), ("n" * 99, b"world")]
    path = archive_of(tmp_path / f"a.tar{'.gz' * (mode == 'w:gz')}", *files, mode=mode, format=FORMATS[form])
    check_mutants(contents, path, 0.75 if mode == "w:gz" else 0.05)
