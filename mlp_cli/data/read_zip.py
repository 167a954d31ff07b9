"""Zip archives, .npz among them, read member by member; what they declare is checked before anything is allocated for it."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, BinaryIO

from mlp_cli.data.content import Content
from mlp_cli.data.streams import FREE, RATIO, Member, printable
from mlp_cli.errors import DataError, cause_of

_LARGEST = 16 << 30
_DIRECTORY = 16 << 20
_MOST_MEMBERS = 100_000
_PIECE = 1 << 20
_LOCAL_HEADER = 30
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
    LookupError,
)


def is_zip(path: Path) -> bool:
    """Whether a file starts as a zip archive does. Errors: DataError where it cannot be read, or is a web page or a pointer."""
    with Content(path) as content:
        return content.read(4) in (b"PK\3\4", b"PK\5\6")


@contextmanager
def open_zip(path: Path) -> Iterator[dict[str, Member]]:
    """The regular files in a zip archive by name, in its order, each to be read at most once and before the end of the `with`.

    Members may be plain or deflated; their checksums are checked. Refused are encryption, members that share bytes, and, as soon as
    one is read that goes too far, more content than the packed sizes can honestly have.
    Errors: DataError with the path and the reason.
    """
    if not is_zip(path):
        raise DataError(f"{path}: not a zip archive")
    with ExitStack() as stack:
        # Only the opening is guarded: what the body of the `with` raises is its own affair.
        with _reading(path):
            handle = stack.enter_context(open(path, "rb"))
            archive = stack.enter_context(zipfile.ZipFile(_Bounded(handle)))
            infos = [info for info in archive.infolist() if not info.is_dir()]
        _check(infos, os.fstat(handle.fileno()).st_size, path)
        opener = _Opener(archive, path)
        members = {info.filename: Member(path, info.filename, info.file_size, _Pull(opener, info)) for info in infos}
        if len(members) < len(infos):
            raise DataError(f"{path}: not a usable zip archive (two members of the same name)")
        yield members


@contextmanager
def _reading(path: Path, name: str | None = None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"{path}: {cause_of(error)}") from error
    except _BROKEN as error:
        where = f"{path}: {printable(name)}" if name else str(path)
        # The standard library puts quoted bytes of the file into some of its messages.
        raise DataError(f"{where}: not a usable zip archive ({printable(str(error).lower()) or 'truncated'})") from error


def _check(infos: list[zipfile.ZipInfo], size: int, path: Path) -> None:
    end = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        name = printable(info.filename)
        if info.flag_bits & 1:
            raise DataError(f"{path}: {name}: encrypted")
        if info.compress_type not in _METHODS:
            raise DataError(f"{path}: {name}: compressed by method {info.compress_type}; plain and deflated members are read")
        if info.header_offset < end:
            raise DataError(f"{path}: {name}: shares bytes with another member: looks like a decompression bomb")
        end = info.header_offset + _LOCAL_HEADER + len(info.orig_filename) + info.compress_size
        if end > size:
            raise DataError(f"{path}: {name}: truncated: it declares {info.compress_size:,} packed bytes that are not there")
        if info.file_size > _LARGEST:
            raise DataError(f"{path}: {name}: declares {info.file_size:,} bytes, more than the limit of {_LARGEST:,}")


class _Opener:
    """Opens members when they are first read, and keeps count of what they declare."""

    def __init__(self, archive: zipfile.ZipFile, path: Path) -> None:
        self.archive = archive
        self.path = path
        self.packed = 0
        self.declared = 0

    def open(self, info: zipfile.ZipInfo) -> IO[bytes]:
        self.packed += info.compress_size
        self.declared += info.file_size
        if self.declared > FREE and self.declared > RATIO * self.packed:
            raise DataError(
                f"{self.path}: {printable(info.filename)}: declares {self.declared:,} bytes in {self.packed:,} packed ones: "
                "looks like a decompression bomb"
            )
        return self.archive.open(info)


class _Pull:
    """Reads one member on into buffers."""

    def __init__(self, opener: _Opener, info: zipfile.ZipInfo) -> None:
        self.opener = opener
        self.info = info
        self.handle: IO[bytes] | None = None

    def __call__(self, buffer: memoryview) -> int:
        done = 0
        with _reading(self.opener.path, self.info.filename):
            if self.handle is None:
                self.handle = self.opener.open(self.info)
            while done < len(buffer):
                piece = self.handle.read(min(_PIECE, len(buffer) - done))
                if not piece:
                    break
                buffer[done : done + len(piece)] = piece
                done += len(piece)
        return done


class _Bounded:
    """A file of which the list of members, which the standard library reads in one piece, can be neither long nor of many entries."""

    def __init__(self, handle: BinaryIO) -> None:
        self.handle = handle

    def read(self, size: int = -1) -> bytes:
        if size > _DIRECTORY:
            raise zipfile.BadZipFile(f"a list of members of {size:,} bytes, more than the limit of {_DIRECTORY:,}: use .tar.gz")
        content = self.handle.read(_DIRECTORY + 1 if size < 0 else size)
        if len(content) > _DIRECTORY:
            raise zipfile.BadZipFile("a list of members without an end")
        # An entry takes the library 8 µs and a kilobyte.
        if content.count(b"PK\1\2") > _MOST_MEMBERS:
            raise zipfile.BadZipFile(f"more than {_MOST_MEMBERS:,} members: use .tar.gz")
        return content

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.handle.seek(offset, whence)

    def tell(self) -> int:
        return self.handle.tell()

    def seekable(self) -> bool:
        return True
