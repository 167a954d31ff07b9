"""The one way in which files are written: temporary file in the same folder, fsync, rename, fsync of the folder.

A reader therefore sees the old file or the new one, whole, after any kill or power cut.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from mlp_cli.errors import MlpError, RunError

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


def make_folder(folder: Path) -> None:
    """Makes `folder` and its parents where they are missing, for good; RunError where that cannot be, or where `folder` is a link."""
    with writing(folder):
        if folder.is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        missing = [each for each in (folder, *folder.parents) if not each.is_dir()]
        if missing:
            folder.mkdir(parents=True, exist_ok=True)
        for each in missing:
            sync_folder(each.parent)


def write_atomic(path: Path, fill: Callable[[BinaryIO], object], before_rename: Callable[[], object] | None = None) -> None:
    """Writes the file that `fill(handle)` fills, so that `path` holds the old content or all of the new.

    before_rename: called when the new content is safe on the disk and not yet at `path`.
    Errors: RunError that names the path (disk full, read-only, folder gone); the temporary file is taken away.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    with writing(path):
        try:
            with open(temporary, "xb") as handle:
                fill(handle)
                handle.flush()
                os.fsync(handle.fileno())
            if before_rename:
                before_rename()
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):  # the cause is what to tell
                temporary.unlink()
            raise
        sync_folder(path.parent)


def write_bytes(path: Path, content: bytes) -> None:
    """`write_atomic` of ready bytes."""
    write_atomic(path, lambda handle: handle.write(content))


def write_text(path: Path, content: str) -> None:
    r"""`write_atomic` of text in UTF-8; what is no text (a byte of a path, say) becomes \udcXX, which JSON reads as it was."""
    write_bytes(path, content.encode("utf-8", "backslashreplace"))


def write_json(path: Path, value: Any) -> None:
    """`write_atomic` of strict JSON (see `strict_json`)."""
    write_text(path, strict_json(value) + "\n")


def strict_json(value: Any) -> str:
    """JSON text with an indent of two; NaN and the infinities, which JSON lacks, become null."""
    return json.dumps(_without_nan(value), indent=2, ensure_ascii=False, allow_nan=False)


def _without_nan(value: Any) -> Any:
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return value


def sync_folder(folder: Path) -> None:
    """fsync of a folder, which makes the renames and new names in it lasting."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_bytes(path: Path, limit: int, error: type[MlpError]) -> bytes:
    """The content of a file of at most `limit` bytes; `error` with the path and the cause where it cannot be read."""
    try:
        with open(path, "rb") as handle:
            # Asking for `limit` would allocate as much. What is no plain file, such as a pipe, has no size.
            size = os.fstat(handle.fileno()).st_size or limit
            content = handle.read(min(size, limit) + 1)
    except OSError as cause:
        raise error(f"cannot read {path}: {(cause.strerror or str(cause)).lower()}") from cause
    if len(content) > limit:
        raise error(f"cannot read {path}: larger than the limit of {limit:,} bytes")
    return content
