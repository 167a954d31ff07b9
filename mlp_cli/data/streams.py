"""Where readers get their bytes from: a file, or a member of an archive that is never unpacked to disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np

from mlp_cli.data.dataset import Array
from mlp_cli.errors import DataError

FREE = 64 << 20
"""Bytes of content that even the smallest file may hold."""
RATIO = 100
"""How many times its packed size a larger content may have before it counts as a decompression bomb."""
_PIECE = 1 << 20
_NAME = 120


class Source(Protocol):
    """Bytes to be read once, from the start: a `Content` or a `Member`."""

    def fill(self, buffer: memoryview) -> int:
        """Reads into `buffer` until it is full or the content ends; gives the number of bytes read. Errors: DataError."""

    def check_size(self, size: int) -> None:
        """DataError if `size` bytes of content, counted from the start, are more than there can be."""

    def error(self, reason: str, hint: str | None = None) -> DataError:
        """A DataError that names the file, and the member of an archive."""


class Buffered:
    """A source read in small steps. What is read in all is checked against the source's limit as it grows."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.fetched = 0
        self._piece = bytearray(_PIECE)
        self._buffer = b""
        self._at = 0

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes, which should be few. Errors: DataError where the content ends before."""
        end = self._at + size
        if end > len(self._buffer):
            return self.read_array(size).tobytes()
        piece = self._buffer[self._at : end]
        self._at = end
        return piece

    def read_array(self, size: int) -> Array:
        """Exactly `size` bytes as uint8; `size` is checked before anything is allocated. Errors: DataError."""
        self.source.check_size(self.fetched - len(self._buffer) + self._at + size)
        array = np.empty(size, dtype=np.uint8)
        count = self.fill(array.data)
        if count < size:
            raise self.source.error(f"truncated: {size:,} bytes are declared, {count:,} follow")
        return array

    def read_line(self, most: int) -> bytes:
        """The bytes up to the next line feed, which is read and left out. Errors: DataError where there is none, or not soon."""
        pieces: list[bytes] = []
        while (end := self._buffer.find(b"\n", self._at)) < 0:
            pieces.append(self._buffer[self._at :])
            if sum(map(len, pieces)) > most:
                raise self.source.error(f"has a line of more than {most:,} bytes")
            self._at = len(self._buffer)
            if not self._more():
                raise self.source.error("truncated: it ends within a line")
        pieces.append(self._buffer[self._at : end])
        self._at = end + 1
        line = b"".join(pieces)
        if len(line) > most:
            raise self.source.error(f"has a line of more than {most:,} bytes")
        return line

    def fill(self, buffer: memoryview) -> int:
        """As `Source.fill`."""
        done = min(len(buffer), len(self._buffer) - self._at)
        buffer[:done] = self._buffer[self._at : self._at + done]
        self._at += done
        while done < len(buffer):
            rest = len(buffer) - done
            if rest >= _PIECE:
                count = self._fetch(buffer[done : done + _PIECE])
                done += count
            else:
                count = min(rest, self._more())
                buffer[done : done + count] = self._buffer[:count]
                self._at = count
                done += count
            if not count:
                break
        return done

    def skip(self, size: int) -> int:
        """Passes over at most `size` bytes; gives how many there were."""
        done = min(size, len(self._buffer) - self._at)
        self._at += done
        while done < size and (count := min(size - done, self._more())):
            self._at = count
            done += count
        return done

    def at_end(self) -> bool:
        """Whether nothing follows."""
        return self._at == len(self._buffer) and not self._more()

    def _more(self) -> int:
        """Puts the next piece in place of the buffer, all of which must have been used; gives its length, 0 at the end."""
        count = self._fetch(memoryview(self._piece))
        self._buffer = bytes(self._piece[:count])
        self._at = 0
        return count

    def _fetch(self, buffer: memoryview) -> int:
        count = self.source.fill(buffer)
        self.fetched += count
        self.source.check_size(self.fetched)
        return count


class Member:
    """A regular file inside an archive; a `Source`.

    name: as the archive has it. It is told to people and taken apart for class names, and never becomes a path.
    size: bytes of content, declared. pull: reads on into a buffer, as `Source.fill` does.
    """

    def __init__(self, archive: Path, name: str, size: int, pull: Callable[[memoryview], int]) -> None:
        self.archive = archive
        self.name = name
        self.size = size
        self._left = size
        self._pull = pull

    def fill(self, buffer: memoryview) -> int:
        """As `Source.fill`; a member that is shorter than declared is an error."""
        wanted = min(len(buffer), self._left)
        count = self._pull(buffer[:wanted]) if wanted else 0
        if count < wanted:
            raise self.error(f"truncated: {self.size:,} bytes are declared, {self.read_so_far + count:,} follow")
        self._left -= count
        return count

    def check_size(self, size: int) -> None:
        """As `Source.check_size`."""
        if size > self.size:
            raise self.error(f"declares {size:,} bytes of data, but has only {self.size:,}")

    @property
    def read_so_far(self) -> int:
        """Bytes that have been read."""
        return self.size - self._left

    def error(self, reason: str, hint: str | None = None) -> DataError:
        """A DataError about this member."""
        return DataError(f"{self.archive}: {printable(self.name)}: {reason}", hint)


def read_all(source: Source, most: int) -> bytes:
    """All the content of a source. Errors: DataError where it has more than `most` bytes."""
    content = bytearray()
    size = 1 << 14
    while True:
        piece = bytearray(size)
        count = source.fill(memoryview(piece))
        content += piece[:count]
        if len(content) > most:
            raise source.error(f"has more than the limit of {most:,} bytes")
        if count < size:
            return bytes(content)
        size = min(2 * size, _PIECE)


def printable(name: str) -> str:
    """A name from outside, cut to a length and without characters that could upset a terminal or a line of text."""
    name = name if len(name) <= _NAME else f"{name[: _NAME // 2]}…{name[-_NAME // 2 :]}"
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in name)
