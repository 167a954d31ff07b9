"""Files from outside as open streams: gzip and xz are undone, archives are read member by member, all bytes are counted.

The standard library does the reading. What it raises over a damaged file becomes one DataError here, for every reader.
"""

from __future__ import annotations

import gzip
import io
import lzma
import os
import re
import stat
import struct
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from mlp_cli.environment import available_memory
from mlp_cli.errors import DataError, cause_of
from mlp_cli.text import listed

LIMIT = 4 << 30
"""Bytes that are read out of one packed file or archive in all."""

_XZ_MEMORY = 128 << 20
_TAR_HEADER = 1 << 15
_ZIP_LIST = 32 << 20
_PIECE = 1 << 20
_BUFFER = 1 << 14
_PACKED = 1 << 17
_ENDS = 1000
_NAME = 120
_TARS = (".tar", ".tgz", ".txz")
_EXTENDED = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
_DAMAGE = (
    *(gzip.BadGzipFile, zlib.error, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError),
    # Over nonsense in the headers of an archive; the first also over an encrypted member.
    *(RuntimeError, struct.error, ValueError, OverflowError, LookupError),
)
_FOREIGN = {
    rb"version https://git-lfs": "a Git LFS pointer, not the data",
    rb"((\.\./)*\.git)?/annex/objects/": "a git-annex pointer, not the data",
    rb"<(!doctype|html|head|body)": "starts with {}: an HTML page saved in place of the data",
    rb"<\?xml": "starts with {}: a server's message saved in place of the data",
}
_HINT = "get the file again; if it came with a clone, `git lfs pull` replaces a Git LFS pointer by the data"


class Limit:
    """Counts the bytes that come out of one file or archive.

    They are at most half of the memory that is free, since Linux kills a process before that sees a MemoryError, and at most `LIMIT`
    if the file is packed: a plain one is no larger than it looks.
    """

    def __init__(self, where: str, packed: bool = True) -> None:
        self.where = where
        self.used = 0
        free = available_memory()
        self.most = min(LIMIT if packed else sys.maxsize, sys.maxsize if free is None else free // 2)

    def take(self, count: int) -> None:
        """Counts bytes. Errors: DataError where they are too many."""
        self.used += count
        if self.used > self.most:
            told = "the most that is read out of one file" if self.most == LIMIT else "half of the memory that is free"
            raise DataError(f"{self.where}: holds more than {self.most:,} bytes, {told}", "use a part of it")


class Stream(io.BufferedReader):
    """A file, or a member of an archive, read once from its start; a context manager.

    file: where its bytes come from. where: what messages call it. member: its name; that of a member never becomes a path, that of a
    folder in an archive ends with a slash. limit: what its bytes count against.
    Errors: reading raises DataError, in one line, for whatever can be wrong with a file.
    """

    def __init__(self, file: IO[bytes], where: str, member: str, limit: Limit) -> None:
        super().__init__(_Raw(file, where, limit), _BUFFER)
        self.file, self.where, self.member, self.limit = file, where, member, limit

    def read(self, size: int | None = -1, /) -> Any:
        """As of any file; bytes or a bytearray. A large piece grows as it comes, so a size that is merely declared costs nothing."""
        if size is not None and 0 <= size <= _PIECE:
            return super().read(size)
        content = bytearray()
        end = sys.maxsize if size is None or size < 0 else size
        while piece := super().read(min(max(len(content), _BUFFER), _PIECE, end - len(content))):
            content += piece
        return content

    def check_end(self) -> None:
        """DataError where more bytes follow; the checksum of a packed file is checked as well."""
        if self.read(1):
            raise self.error("longer than it should be: more bytes follow")

    def error(self, reason: str, hint: str | None = None) -> DataError:
        """A DataError about this file."""
        return DataError(f"{self.where}: {reason}", hint)


class _Raw(io.RawIOBase):
    """Reads on in a file, counts, and says in words what goes wrong."""

    def __init__(self, file: IO[bytes], where: str, limit: Limit) -> None:
        self.file, self.where, self.limit, self.ends = file, where, limit, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        with reading(self.where):
            content = self.file.read(min(len(buffer), _PIECE))
        self.limit.take(len(content))
        # tarfile looks for the end of a member, however far away it is said to be.
        self.ends += not content
        if self.ends > _ENDS:
            raise DataError(f"{self.where}: truncated: it ends before what it declares does")
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        self.file.close()
        super().close()


class _Xz:
    """The content of an xz file, read on. `lzma.LZMAFile` would give a decoder as much memory as the file asks for."""

    def __init__(self, path: Path) -> None:
        self.file = open(path, "rb")  # noqa: SIM115
        self.decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)

    def read(self, size: int) -> bytes:
        content = b""
        while not content:
            piece = self.file.read(_PACKED) if self.decoder.needs_input else b""
            if self.decoder.eof:
                # Another stream may follow; zeros may stand before it, or at the end.
                piece = self.decoder.unused_data.lstrip(b"\0")
                while not piece and (more := self.file.read(_PACKED)):
                    piece = more.lstrip(b"\0")
                if not piece:
                    break
                self.decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
            elif self.decoder.needs_input and not piece:
                raise EOFError
            content = self.decoder.decompress(piece, size)
        return content

    def close(self) -> None:
        self.file.close()


@contextmanager
def reading(where: str) -> Iterator[None]:
    """Turns what the standard library raises inside into one DataError about `where`."""
    try:
        yield
    except EOFError as error:
        raise DataError(f"{where}: truncated: its packed data ends too early") from error
    except _DAMAGE as error:
        # Some messages quote bytes of the file.
        raise DataError(f"{where}: damaged or not usable ({printable(str(error).lower())})") from error
    except OSError as error:
        raise DataError(f"{where}: {cause_of(error)}") from error


def open_file(path: Path) -> Stream:
    """The content of a file that is plain, gzip or xz; its first bytes tell which, not its name.

    Errors: DataError where it is no file, or where a web page, a Git LFS pointer or a server's message was saved in place of data.
    """
    where = str(path)
    with reading(where):
        # Opening a pipe would wait for a writer for ever.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise DataError(f"{where}: not a file")
        with open(path, "rb") as start:
            head = start.read(512)
    packing = "gzip" if head.startswith(b"\x1f\x8b") else "xz" if head.startswith(b"\xfd7zXZ\0") else "plain"
    reason = foreign(head)
    expected = {".gz": "gzip", ".tgz": "gzip", ".xz": "xz", ".txz": "xz"}.get(path.suffix.lower(), packing)
    # Some browsers unpack a .gz and keep its name; such a file starts with the two zero bytes of the IDX format.
    if expected != packing and not (packing == "plain" and head[:2] == b"\0\0"):
        reason = f"not {'a gzip' if expected == 'gzip' else 'an xz'} file; {reason or f'starts with {_start(head)}'}"
    if reason:
        raise DataError(f"{where}: {reason}", _HINT)
    with reading(where):
        file: Any = {"gzip": gzip.GzipFile, "xz": _Xz, "plain": io.FileIO}[packing](path)
    return Stream(file, where, path.name, Limit(where, packing != "plain"))


def members(path: Path) -> Generator[Stream, None, None]:
    """The files and folders in a tar or zip archive (which may be packed again), in its order; nothing is written to disk.

    Each must be read, if at all, before the next one is asked for. Links and devices are passed over, since they have no data of
    their own. An archive is read to its end, so that damage is found out even after the last member that is of interest.
    Errors: DataError, also for sparse and for encrypted members.
    """
    with open_file(path) as stream:
        yield from _tar_members(stream) if is_tar(path) else _zip_members(stream)


def is_tar(path: Path) -> bool:
    """Whether a file's name is that of a tar archive."""
    return path.name.lower().removesuffix(".gz").removesuffix(".xz").endswith(_TARS)


def _zip_members(stream: Stream) -> Iterator[Stream]:
    limit = Limit(stream.where)
    file: Any = stream.file if isinstance(stream.file, io.FileIO) else io.BytesIO(stream.read())
    with reading(stream.where), _ZipFile(file) as opened, zipfile.ZipFile(opened) as archive:
        infos = archive.infolist()
        if len({info.filename for info in infos}) < len(infos):
            raise zipfile.BadZipFile("two members have the same name")
        for info in infos:
            where = f"{stream.where}: {printable(info.filename)}"
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise DataError(f"{where}: compressed by method {info.compress_type}; plain and deflated members are read")
            with reading(where), Stream(archive.open(info), where, info.filename, limit) as member:
                yield member


class _ZipFile(io.BufferedReader):
    """The file of a zip archive. The library reads the list of members in one piece, and makes ten times as much of it."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _ZIP_LIST:
            raise zipfile.BadZipFile(f"a list of members of {size:,} bytes; use .tar.gz")
        return super().read(size)


def _tar_members(stream: Stream) -> Iterator[Stream]:
    limit = Limit(stream.where)
    with reading(stream.where), tarfile.open(fileobj=stream, mode="r|", tarinfo=_TarHeader) as archive:
        while (info := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined]  # The library would keep them all.
            if info.issparse() or any(key.startswith("GNU.sparse") for key in info.pax_headers):
                raise tarfile.ReadError("sparse members are not read")
            where = f"{stream.where}: {printable(info.name)}"
            file = archive.extractfile(info) if info.isfile() else io.BytesIO() if info.isdir() else None
            if file is not None:
                with reading(where), Stream(file, where, info.name + "/" * info.isdir(), limit) as member:
                    yield member
        while stream.read(_PIECE):
            pass


class _TarHeader(tarfile.TarInfo):
    """A header of a tar archive. The library takes a damaged one for the end, and keeps extended ones of any length in memory."""

    @classmethod
    def frombuf(cls, buf: Any, encoding: str, errors: str) -> Any:
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            # Zeros, or nothing, do mean the end.
            raise tarfile.ReadError(str(error)) if any(buf) else error from None

    def _proc_member(self, archive: tarfile.TarFile) -> Any:
        if self.type in _EXTENDED and not 0 <= self.size <= _TAR_HEADER:
            raise tarfile.ReadError(f"an extended header of {self.size:,} bytes")
        return super()._proc_member(archive)  # type: ignore[misc]


def foreign(head: bytes) -> str | None:
    """What a file is that was saved in place of data, by its first bytes; None where nothing speaks against it."""
    if not head:
        return "an empty file"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    told = next((what for start, what in _FOREIGN.items() if re.match(start, text)), None)
    return told and told.format(_start(head))


def _start(head: bytes) -> str:
    words = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:60].split()
    if words and all(33 <= byte < 127 for byte in words[0][:20]):
        return words[0][:20].decode("ascii")
    return "bytes " + head[:4].hex(" ")


def printable(name: str) -> str:
    """A name from outside, cut to a length and without characters that could upset a terminal or a line of text."""
    name = name if len(name) <= _NAME else f"{name[: _NAME // 2]}…{name[-_NAME // 2 :]}"
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in name)


def some(names: Iterable[str]) -> str:
    """The first three of names from outside in their order, and how many there are more."""
    return listed(sorted(map(printable, names)), 3)
