"""Bytes from outside: plain, gzip or xz (told by content, not by name), read in pieces, and named where they are no data.

Every reader of files goes through `Content`. It allocates nothing that the file has not earned.
"""

from __future__ import annotations

import hashlib
import lzma
import os
import re
import stat
import zlib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from mlp_cli.errors import DataError, cause_of

_PIECE = 1 << 20
_PACKED_PIECE = 1 << 18
_MOST_STREAMS = 10_000
_XZ_MEMORY = 128 << 20
_LARGEST = 16 << 30
_FREE = 64 << 20
_RATIO = 100


class Content:
    """The uncompressed bytes of one file, once, from its start; a context manager.

    `sha256()` covers what was read so far. Errors: DataError with the path and the reason, for whatever can be wrong with a file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.packed_bytes = 0
        self.packing = "plain"
        self._digest = hashlib.sha256()
        self._read = 0

    def __enter__(self) -> Content:
        try:
            status = os.stat(self.path)
            # Opening a pipe would wait for a writer for ever.
            if not stat.S_ISREG(status.st_mode):
                raise self.error("not a file")
            self.packed_bytes = status.st_size
            self._file: BinaryIO = open(self.path, "rb")
        except OSError as error:
            raise self.error(cause_of(error)) from error
        try:
            head = self._file.read(512)
            self._file.seek(0)
            self.packing = packing_of(head)
            self._refuse_foreign(head)
        except OSError as error:
            self._file.close()
            raise self.error(cause_of(error)) from error
        except BaseException:
            self._file.close()
            raise
        self._readinto: Callable[[memoryview], int] = self._file.readinto
        if self.packing != "plain":
            self._readinto = _Unpacked(self._file, _Gunzip if self.packing == "gzip" else _unxz).readinto
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def fill(self, buffer: memoryview) -> int:
        """Reads into `buffer` (bytes, writable) until it is full or the content ends; gives the number of bytes read."""
        done = 0
        try:
            while done < len(buffer):
                count = self._readinto(buffer[done : done + _PIECE])
                if not count:
                    break
                self._digest.update(buffer[done : done + count])
                done += count
        except EOFError as error:
            raise self.error(f"truncated: the {self.packing} data ends after {self._read + done:,} bytes of content") from error
        except (zlib.error, lzma.LZMAError) as error:
            raise self.error(f"damaged {self.packing} data ({str(error).lower()})") from error
        except OSError as error:
            raise self.error(cause_of(error)) from error
        self._read += done
        return done

    def read(self, size: int) -> bytes:
        """At most `size` bytes; fewer only at the end."""
        buffer = bytearray(size)
        return bytes(buffer[: self.fill(memoryview(buffer))])

    def at_end(self) -> bool:
        """Whether nothing follows; takes one byte if something does. For compressed files the checksum is then checked too."""
        return not self.read(1)

    def check_size(self, size: int) -> None:
        """Refuses a declared content of `size` bytes that this file can hardly have, before anything is allocated for it."""
        if size > _LARGEST:
            raise self.error(f"declares {size:,} bytes of data, more than the limit of {_LARGEST:,}")
        if self.packing == "plain":
            if size > self.packed_bytes:
                raise self.error(f"declares {size:,} bytes of data, but the file has only {self.packed_bytes:,}")
        elif size > _FREE and size > _RATIO * self.packed_bytes:
            raise self.error(
                f"declares {size:,} bytes of data in a file of {self.packed_bytes:,}: looks like a decompression bomb"
            )

    def sha256(self) -> str:
        """SHA-256 of the content read so far, 64 hex digits."""
        return self._digest.hexdigest()

    def error(self, reason: str, hint: str | None = None) -> DataError:
        """A DataError about this file."""
        return DataError(f"{self.path}: {reason}", hint)

    def _refuse_foreign(self, head: bytes) -> None:
        reason = foreign(head)
        suffix = self.path.suffix.lower()
        expected = {".gz": "gzip", ".xz": "xz"}.get(suffix)
        # Some browsers unpack a .gz and keep its name; such a file starts with the two zero bytes of the IDX format.
        if expected and self.packing != expected and not (self.packing == "plain" and head[:2] == b"\0\0"):
            start = _start(head)
            raise self.error(
                f"not {'a gzip' if expected == 'gzip' else 'an xz'} file; " + (reason or f"starts with {start}"), _HINT
            )
        if reason:
            raise self.error(reason, _HINT)


_HINT = "get the file again; if it came with a clone, `git lfs pull` replaces a Git LFS pointer by the data"


def packing_of(head: bytes) -> str:
    """`gzip`, `xz` or `plain`, by the first bytes."""
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    return "xz" if head.startswith(b"\xfd7zXZ\0") else "plain"


def foreign(head: bytes) -> str | None:
    """What a file is that was saved in place of data, by its first bytes; None where nothing speaks against it."""
    if not head:
        return "an empty file"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not the data"
    if re.match(rb"((\.\./)*\.git)?/annex/objects/", text):
        return "a git-annex pointer, not the data"
    if text.startswith((b"<!doctype", b"<html", b"<head", b"<body")):
        return f"starts with {_start(head)}: an HTML page saved in place of the data"
    if text.startswith(b"<?xml"):
        return f"starts with {_start(head)}: a server's message saved in place of the data"
    return None


def _start(head: bytes) -> str:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:60]
    word = text.split(None, 1)[0][:20] if text.split() else b""
    if word and all(33 <= byte < 127 for byte in word):
        return word.decode("ascii")
    return "bytes " + head[:4].hex(" ")


class _Gunzip:
    """zlib's gzip decoder with the attributes of lzma's. The module gzip would search a hostile header for ever."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(31)

    def decompress(self, piece: bytes, most: int) -> bytes:
        return self._decoder.decompress(self._decoder.unconsumed_tail + piece, most)

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._decoder.unconsumed_tail


def _unxz() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)


class _Unpacked:
    """The content of a compressed file, bounded in memory and in streams; several streams in one file are read on."""

    def __init__(self, file: BinaryIO, new: Callable[[], _Gunzip | lzma.LZMADecompressor]) -> None:
        self._file = file
        self._new = new
        self._decoder = new()
        self._streams = 1

    def readinto(self, buffer: memoryview) -> int:
        """Fills the front of `buffer`, which is not empty; gives the number of bytes, 0 at the end."""
        while True:
            piece = b""
            if self._decoder.eof:
                piece = self._next_stream()
                if not piece:
                    return 0
            elif self._decoder.needs_input:
                piece = self._file.read(_PACKED_PIECE)
                if not piece:
                    raise EOFError
            content = self._decoder.decompress(piece, len(buffer))
            if content:
                buffer[: len(content)] = content
                return len(content)

    def _next_stream(self) -> bytes:
        # Zeros may pad a file after a stream.
        piece = self._decoder.unused_data.lstrip(b"\0")
        while not piece and (more := self._file.read(_PACKED_PIECE)):
            piece = more.lstrip(b"\0")
        if piece:
            self._streams += 1
            if self._streams > _MOST_STREAMS:
                raise zlib.error(f"more than {_MOST_STREAMS:,} streams in one file")
            self._decoder = self._new()
        return piece
