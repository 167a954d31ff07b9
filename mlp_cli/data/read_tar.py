"""Tar archives (plain, .gz, .xz), read member by member in one pass; nothing is ever written to disk.

A reader of its own, since it must refuse what the standard library's reader puts up with: an extended header of any length, kept in
memory; a header whose fields make it search or turn round for ever.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from pathlib import Path

from mlp_cli.data.content import Content
from mlp_cli.data.streams import Buffered, Member

_BLOCK = 512
_MOST_HEADER = 1 << 16
_MOST_MEMBERS = 2_000_000
_LARGEST = 16 << 30
_FILES = (b"0", b"\0", b"7")
_WITHOUT_DATA = (b"1", b"2", b"3", b"4", b"5", b"6")
_RECORD = re.compile(rb"(\d{1,8}) ([^=\n]{1,100})=")


def is_tar_name(path: Path) -> bool:
    """Whether a file's name is that of a tar archive that can be read."""
    return path.name.lower().endswith((".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz"))


def tar_members(path: Path) -> Generator[Member, None, None]:
    """The regular files in a tar archive, in its order; each must be read, if at all, before the next one is asked for.

    Links, devices and folders are passed over, since they have no data of their own. The archive is read to its end, so that a damaged
    one is found out even if the last member is of no interest.
    Errors: DataError with the path and the reason.
    """
    with Content(path) as content:
        stream = Buffered(content)
        extended: dict[str, bytes] = {}
        for _ in range(_MOST_MEMBERS):
            block = stream.read(_BLOCK) if not stream.at_end() else bytes(_BLOCK)
            if not any(block):
                break
            kind, name, size = _header(block, content)
            if kind in (b"x", b"X", b"L"):
                extended |= _extension(kind, _payload(stream, size, content), content)
                continue
            if kind in (b"g", b"K"):
                _payload(stream, size, content)
                continue
            if "size" in extended:
                size = _checked_size(int(extended["size"]), content)
            name = extended.get("path", name)
            extended = {}
            if kind in _FILES and not name.endswith(b"/"):
                yield from _member(stream, content, name.decode("utf-8", "backslashreplace"), size)
            elif kind == b"S":
                raise content.error("holds a sparse file, a form of tar that is not read")
            elif kind not in _WITHOUT_DATA and kind not in _FILES:
                _pass(stream, size, content)
        else:
            raise content.error(f"holds more than {_MOST_MEMBERS:,} members")
        while stream.skip(1 << 30):
            pass


def _member(stream: Buffered, content: Content, name: str, size: int) -> Iterator[Member]:
    # A member that ends beyond what the archive can hold is refused here, before its reader allocates anything for it.
    content.check_size(size)
    member = Member(content.path, name, size, stream.fill)
    yield member
    _pass(stream, size, content, member.read_so_far)


def _header(block: bytes, content: Content) -> tuple[bytes, bytes, int]:
    """Type, name and size out of a header block."""
    declared = block[148:156].strip(b" \0")
    rest = block[:148] + b" " * 8 + block[156:]
    # Old writers added the bytes up as signed numbers.
    sums = (sum(rest), sum(rest) - 256 * sum(byte > 127 for byte in rest))
    if not re.fullmatch(rb"[0-7]{1,7}", declared) or int(declared, 8) not in sums:
        raise content.error("not a usable tar archive: damaged header (wrong checksum)")
    name = block[:100].rstrip(b"\0").split(b"\0")[0]
    prefix = block[345:500].split(b"\0")[0]
    # GNU's own form keeps other things in the place of the prefix.
    if block[257:263] == b"ustar\0" and prefix:
        name = prefix + b"/" + name
    return block[156:157], name, _number(block[124:136], content)


def _number(field: bytes, content: Content) -> int:
    if field[0] == 0x80:
        return _checked_size(int.from_bytes(field[1:], "big"), content)
    digits = field.strip(b" \0")
    if not re.fullmatch(rb"[0-7]{0,12}", digits):
        raise content.error("not a usable tar archive: damaged header (size is no number)")
    return _checked_size(int(digits or b"0", 8), content)


def _checked_size(size: int, content: Content) -> int:
    if size > _LARGEST:
        raise content.error(f"declares a member of {size:,} bytes, more than the limit of {_LARGEST:,}")
    return size


def _payload(stream: Buffered, size: int, content: Content) -> bytes:
    """The data of a header that extends the next one."""
    if size > _MOST_HEADER:
        raise content.error(f"not a usable tar archive: an extended header of {size:,} bytes")
    payload = stream.read(size)
    _pass(stream, size, content, size)
    return payload


def _extension(kind: bytes, payload: bytes, content: Content) -> dict[str, bytes]:
    """The name and the size that an extended header gives to the member after it."""
    if kind == b"L":
        return {"path": payload.split(b"\0")[0]}
    found: dict[str, bytes] = {}
    at = 0
    while at < len(payload) and payload[at]:
        match = _RECORD.match(payload, at)
        end = at + int(match[1]) if match else 0
        if not match or end <= match.end() or payload[end - 1 : end] != b"\n":
            raise content.error("not a usable tar archive: damaged extended header")
        key, value = match[2].decode("latin1"), payload[match.end() : end - 1]
        if key == "size" and not re.fullmatch(rb"\d{1,15}", value):
            raise content.error("not a usable tar archive: damaged extended header (size is no number)")
        if key.startswith("GNU.sparse"):
            raise content.error("holds a sparse file, a form of tar that is not read")
        if key in ("path", "size"):
            found[key] = value
        at = end
    return found


def _pass(stream: Buffered, size: int, content: Content, done: int = 0) -> None:
    """Passes over what is left of a member's data and the zeros that fill its last block."""
    left = size - done
    padding = -size % _BLOCK
    if stream.skip(left) < left:
        raise content.error("truncated: the archive ends within a member")
    # Some writers leave the filling of the very last block out.
    stream.skip(padding)
