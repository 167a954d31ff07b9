"""Bytes from outside: every packing, every kind of wrong file."""

import gzip
import lzma
import os
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import pytest
from hostile import check_mutants, limits, refuses

from mlp_cli.data import streams
from mlp_cli.data.streams import LIMIT, Limit, members, open_file, printable
from mlp_cli.errors import DataError

# A hundred letters x, with a dictionary of 1 GiB that a reader would have to allocate.
WIDE_XZ = bytes.fromhex(
    "fd377a585a000004e6d6b44602002101240000005e1fc7f9e0006300065d003c6e9e00000000000059b3715716aaeb64000122644a56ebcd1fb6f37d01"
    "0000000004595a"
)
TEXT = b"\0\0" + bytes(range(256)) * 40


def read(path: Path) -> bytes:
    with open_file(path) as stream:
        data = bytes(stream.read())
        stream.check_end()
    return data


@pytest.mark.parametrize("name", ["a", "a.gz", "a.xz"])
@pytest.mark.parametrize("packed", [bytes, gzip.compress, lzma.compress], ids=["plain", "gzip", "xz"])
def test_packing_is_told_by_content(tmp_path: Path, name: str, packed: object) -> None:
    path = tmp_path / name
    path.write_bytes(packed(TEXT))  # type: ignore[operator]
    if name == "a" or packed is bytes or (name == "a.gz") == (packed is gzip.compress):
        assert read(path) == TEXT
    else:
        with pytest.raises(DataError, match=r"not an? (gzip|xz) file; starts with bytes"):
            read(path)


@pytest.mark.parametrize("compress", [gzip.compress, lzma.compress])
def test_several_streams_and_padding_are_read_on(tmp_path: Path, compress: object) -> None:
    path = tmp_path / "a"
    path.write_bytes(compress(TEXT) + b"\0" * 8 + compress(b"more") + b"\0" * 4)  # type: ignore[operator]
    assert read(path) == TEXT + b"more"


def test_pieces_larger_than_one_read(tmp_path: Path) -> None:
    data = os.urandom(600_000) + b"\0" * (2 << 20)
    for name, packed in (("a.gz", gzip.compress(data, 1)), ("a.xz", lzma.compress(data, preset=0)), ("a", data)):
        (tmp_path / name).write_bytes(packed)
        assert read(tmp_path / name) == data
        with open_file(tmp_path / name) as stream:
            assert stream.read(5) + stream.read(2 << 20) + stream.readline() + stream.read() == data


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.gz", b"<!DOCTYPE html>\n<html>", "not a gzip file; starts with <!DOCTYPE: an HTML page saved in place of the data"),
        ("a.gz", b"\n<html><head>", "not a gzip file; starts with <html><head>: an HTML page"),
        ("a", b"\xef\xbb\xbf<!doctype html>", "starts with <!doctype: an HTML page"),
        ("a.gz", b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "not a gzip file; a Git LFS pointer, not the data"),
        ("a", b"version https://git-lfs.github.com/spec/v1\n", "a: a Git LFS pointer, not the data"),
        ("a.gz", b"../.git/annex/objects/x", "a git-annex pointer"),
        ("a", b"/annex/objects/SHA256E-s9--ab.gz", "a: a git-annex pointer"),
        ("a.gz", b"<?xml version='1.0'?><Error>", "a server's message"),
        ("a.gz", b"404: Not Found", "not a gzip file; starts with 404:"),
        ("a.xz", b"\x01\x02\x03\x04", "not an xz file; starts with bytes 01 02 03 04"),
        ("a.gz", b"", "an empty file"),
        ("a", b"", "an empty file"),
        ("a.gz", gzip.compress(TEXT)[:-9], "truncated: its packed data ends too early"),
        ("a.xz", lzma.compress(TEXT)[:-9], "truncated: its packed data ends too early"),
        ("a.gz", gzip.compress(TEXT)[:-8] + b"\0" * 8, "damaged .*crc"),
        ("a.gz", gzip.compress(TEXT)[:10] + b"\xff" * 300, "damaged .*invalid block type"),
        ("a.gz", gzip.compress(TEXT) + b"rubbish", "damaged .*not a gzipped file"),
        ("a.xz", lzma.compress(TEXT) + b"rubbish" * 9, "damaged .*format not supported"),
        ("a.xz", WIDE_XZ, "memory usage limit"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path / name)
    assert str(tmp_path / name) in caught.value.message
    assert "\n" not in caught.value.message


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name, message in (("pipe", "not a file"), (".", "not a file"), ("none", "no such file"), ("dangling", "no such file")):
        with pytest.raises(DataError, match=message):
            read(tmp_path / name)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="only Linux has a file whose first byte cannot be read")
def test_a_file_that_cannot_be_read_is_named() -> None:
    with pytest.raises(DataError, match="/proc/self/mem: input/output error"):
        read(Path("/proc/self/mem"))


def test_declared_sizes_cost_nothing(tmp_path: Path) -> None:
    for name, content in (("plain", b"abc"), ("packed", gzip.compress(b"abc"))):
        (tmp_path / name).write_bytes(content)
        for size in (300_000_000, 1 << 60):
            with limits(), open_file(tmp_path / name) as stream:
                assert stream.read(size) == b"abc"


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz", ".zip"])
def test_the_limit_counts_what_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    monkeypatch.setattr(streams, "LIMIT", 2 << 20)
    path = tmp_path / f"zeros{suffix}"
    content = bytes(3 << 20)
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("zeros", content)
    else:
        path.write_bytes({"": bytes, ".gz": gzip.compress, ".xz": lzma.compress}[suffix](content))
    inside = members(path)
    with next(inside) if suffix == ".zip" else open_file(path) as stream:
        if suffix:
            with pytest.raises(DataError, match=r"zeros.*: holds more than 2,097,152 bytes, the most that is read"):
                stream.read()
        else:
            assert len(stream.read()) == 3 << 20, "a plain file is as large as it looks"


def test_half_of_the_free_memory_is_never_exceeded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Limit("f").most <= LIMIT == 4 << 30
    monkeypatch.setattr(streams, "available_memory", lambda: 1 << 20)
    (tmp_path / "f").write_bytes(bytes(1 << 19) + b"x")
    refuses(read, tmp_path / "f", "holds more than 524,288 bytes, half of the memory that is free")
    monkeypatch.setattr(streams, "available_memory", lambda: None)
    assert Limit("f").most == LIMIT and len(read(tmp_path / "f")) == (1 << 19) + 1, "a system that does not say"


@pytest.mark.parametrize("suffix", [".gz", ".xz"])
def test_mutants(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes({".gz": gzip.compress, ".xz": lzma.compress}[suffix](TEXT[:400]))
    check_mutants(read, path, 0.7)


def test_hostile_files_cost_little_memory(tmp_path: Path) -> None:
    header = bytes([0, 0, 8, 3]) + (70_000).to_bytes(4, "big") + (32).to_bytes(4, "big") * 2
    packer = zlib.compressobj(1, wbits=31)
    zeros = bytes(1 << 20)
    bomb = packer.compress(header) + b"".join(packer.compress(zeros) for _ in range(70)) + packer.flush()
    (tmp_path / "bomb.gz").write_bytes(bomb)
    (tmp_path / "name.gz").write_bytes(b"\x1f\x8b\x08\x08" + bytes(6) + b"n" * (4 << 20))
    (tmp_path / "wide.xz").write_bytes(WIDE_XZ)
    (tmp_path / "huge").write_bytes(bytes([0, 0, 8, 4]) + b"\xff" * 16)
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from mlp_cli.data.arrays import read_idx\n"
        "from mlp_cli.errors import DataError\n"
        "unit = 1 if sys.platform == 'darwin' else 1024\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit >> 20\n"
        "before = peak()\n"
        "for path in sorted(Path(sys.argv[1]).iterdir()):\n"
        "    try:\n"
        "        read_idx(path)\n"
        "    except DataError as error:\n"
        "        print(path.name)\n"
        "print(peak() - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    *names, megabytes = done.stdout.split()
    assert names == ["bomb.gz", "huge", "name.gz", "wide.xz"]
    assert int(megabytes) < 150


def test_printable() -> None:
    assert printable("a/é 1") == "a/é 1"
    assert printable("a\n\x1b[0m\u202e\udcff") == "a\\n\\x1b[0m\\u202e\\udcff"
    assert len(printable("a" * 1000)) == 121
