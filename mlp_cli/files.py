"""The one way in which files are written: temporary file in the same folder, fsync, rename, fsync of the folder.

A reader therefore sees the old file or the new one, whole, after any kill or power cut.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from mlp_cli.errors import MlpError, RunError, cause_of

if TYPE_CHECKING:
    from mlp_cli.packs import Pack

PLAIN = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Opening not through a link, since nothing is ever written outside the folder; and not waiting, should it be a pipe."""

Content = str | bytes | Callable[[BinaryIO], object]
_ELSEWHERE = "choose another folder (--results DIR; --out DIR for a report)"
_REASONS = {
    errno.ENOSPC: ("the disk is full", "free some space and run the same command again: what was written before stands"),
    errno.EDQUOT: ("your disk quota is used up", "free some space and run the same command again"),
    errno.EROFS: ("the file system is read-only", _ELSEWHERE),
    errno.EACCES: ("permission denied", f"{_ELSEWHERE}, or change its permissions"),
    errno.EPERM: ("permission denied", f"{_ELSEWHERE}, or change its permissions"),
    errno.ENOENT: ("the folder is gone", "was it removed while the run was under way? run the same command again"),
    errno.ENOTDIR: ("a part of the path is a file, not a folder", _ELSEWHERE),
    errno.ELOOP: ("it is a symbolic link", "move it away: nothing is written through a link"),
    errno.EEXIST: ("a file stands where a folder should go", f"move it away, or {_ELSEWHERE}"),
    errno.EFBIG: ("the file would be larger than is allowed", "raise the limit (ulimit -f) and run the same command again"),
    errno.EISDIR: ("a folder stands where a file should go", "move it away and run the same command again"),
    errno.EPIPE: ("broken pipe: nobody reads it any more", "run the same command again, and have all of its output read"),
    errno.EBADF: ("it is closed", "send it to a file or to /dev/null, or ask for --quiet"),
    **dict.fromkeys(
        (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP),
        ("the file system cannot lock files", "choose a folder on another disk with --results DIR"),
    ),
    errno.EIO: ("the disk reports an input/output error", "check the disk, then run the same command again"),
}


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns an OSError raised inside into a RunError that names `path` and the cause."""
    try:
        yield
    except OSError as error:
        reason, hint = _REASONS.get(error.errno or 0, (error.strerror or str(error), None))
        raise RunError(f"cannot write {path}: {reason}", hint) from error


def make_folder(folder: Path, root: Path | None = None) -> None:
    """Makes `folder` and its parents where they are missing, for good.

    root: a folder above it that must be there already: nothing is made outside, and no link below it is gone through; what lies
    above may be one, so that a user's results may lie on another disk. None: of the whole path `folder` alone may be no link.
    Errors: RunError that names the folder or the link.
    """
    inside = [each for each in (folder, *folder.parents) if each == folder or (root is not None and root in each.parents)]
    for each in inside:
        refuse_link(each)
    with writing(folder):
        missing = [each for each in (inside if root is not None else (folder, *folder.parents)) if not os.path.lexists(each)]
        for each in reversed(missing):
            if each.parent.is_symlink() and not each.parent.exists():
                raise RunError(
                    f"cannot write {folder}: {each.parent} is a symbolic link that leads nowhere", "mount or make its target"
                )
            each.mkdir(exist_ok=True)
            sync_folder(each.parent)
        if not folder.is_dir():
            raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))


def make_parent(path: Path) -> None:
    """Makes the folder of a file that a user names, where it is missing; it may lie behind links. Errors: RunError."""
    if not path.parent.is_dir():
        make_folder(path.parent)


def refuse_link(path: Path) -> None:
    """Errors: RunError where `path` is a symbolic link, which what is to be written there would go through."""
    with writing(path):
        if path.is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def append(path: Path, content: bytes) -> None:
    """Adds to the end of a file. Errors: RunError, also where it is gone from its place, or where a link stands there by now."""
    with writing(path), open(path, "r+b", opener=lambda name, flags: os.open(name, flags | PLAIN)) as handle:
        handle.seek(0, os.SEEK_END)
        handle.write(content)


def write_atomic(path: Path, content: Content, before_rename: Callable[[], object] | None = None) -> None:
    """Replaces a file, so that `path` holds the old content or all of the new.

    content: text (see `write_text`), bytes, or a function that writes them to a handle. before_rename: called when they are safe on
    the disk and not yet at `path`.
    Errors: RunError that names the path (disk full, read-only, folder gone); the temporary file is taken away.
    """
    write_together({Path(path): content}, before_rename)


def write_together(contents: Mapping[Path, Content], before_rename: Callable[[], object] | None = None) -> None:
    """`write_atomic` of several files: an error leaves each of them as it was. Only a kill or power cut while they are renamed, which
    takes no time, may leave old files beside new ones."""
    temporary = {path: path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp") for path in contents}
    try:
        for path, content in contents.items():
            with writing(path), open(temporary[path], "xb") as handle:
                if path.is_dir():
                    raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
                content = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
                handle.write(content) if isinstance(content, bytes) else content(handle)
                handle.flush()
                os.fsync(handle.fileno())
        for path in contents:
            with writing(path):
                if before_rename:
                    before_rename()
                os.replace(temporary[path], path)
    except BaseException:
        for path in temporary.values():
            with suppress(OSError):  # the cause is what to tell
                path.unlink()
        raise
    for folder in {path.parent for path in contents}:
        with writing(folder):
            sync_folder(folder)


def write_text(path: Path, content: str) -> None:
    r"""`write_atomic` of text in UTF-8; what is no text (a byte of a path, say) becomes \udcXX, which JSON reads as it was."""
    write_atomic(path, content)


def strict_json(value: Any) -> str:
    """JSON text with an indent of two; NaN and the infinities, which JSON lacks, become null."""
    return json.dumps(json.loads(json.dumps(value), parse_constant=lambda _: None), indent=2, ensure_ascii=False)


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder and below it, links not followed; what cannot be read counts nothing."""
    places = (os.path.join(place, name) for place, _, names in os.walk(folder) for name in names)
    total = 0
    for path in places:
        with suppress(OSError):
            total += os.lstat(path).st_size
    return total


def sync_folder(folder: Path) -> None:
    """fsync of a folder, which makes the renames and new names in it lasting."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_bytes(path: Path, limit: int, error: type[MlpError], *, pipe: bool = False) -> bytes:
    """The content of a file of at most `limit` bytes; `error` with the path and the cause where it cannot be read.

    pipe: take a pipe too, and wait for what comes through it. Otherwise the path may go through a pack (see `packs`).
    """
    waiting = 0 if pipe else os.O_NONBLOCK
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | waiting)) as handle:
            status = os.fstat(handle.fileno())
            plain = stat.S_ISREG(status.st_mode)
            if not (plain or pipe):
                raise error(f"cannot read {path}: it is not a file")
            # Asking for `limit` would allocate as much; only what is no plain file has no size.
            content = handle.read((min(status.st_size, limit) if plain else limit) + 1)
    except OSError as cause:
        if not pipe and isinstance(cause, NotADirectoryError) and (found := _in_pack(path)):
            return found[0].read(found[1], limit, error)
        raise error(f"cannot read {path}: {cause_of(cause)}") from cause
    if len(content) > limit:
        raise error(f"cannot read {path}: larger than the limit of {limit:,} bytes")
    return content


def is_file(path: Path) -> bool:
    """Whether a file is there, on the disk or in a pack."""
    return os.path.isfile(path) or ((found := _in_pack(path)) is not None and found[1] in found[0].hashes)


def _in_pack(path: Path) -> tuple[Pack, str] | None:
    from mlp_cli import packs  # which few commands need

    return packs.find(path)
