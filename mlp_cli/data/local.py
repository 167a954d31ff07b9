"""A set of the user's own, given by path: which files belong to it, and the whole set out of them."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from mlp_cli.data.dataset import Whole, arrays_sha256
from mlp_cli.data.read_idx import find_idx, read_idx_pair
from mlp_cli.errors import DataError, cause_of

_EXPECTED = (
    "give a folder with train-images-idx3-ubyte and train-labels-idx1-ubyte, and t10k-… for a test part; .gz and .xz will do"
)


def files_of(path: Path) -> dict[str, Path]:
    """The files of a set by role; the folder is read, the files are not. Errors: DataError that says what is missing."""
    try:
        found = find_idx(path)
    except OSError as error:
        reason = "no such folder" if isinstance(error, FileNotFoundError) else cause_of(error)
        raise DataError(f"{path}: {reason}", _EXPECTED) from error
    pair = {"train_x": "train-images-idx3-ubyte", "train_y": "train-labels-idx1-ubyte"}
    if "test_x" in found or "test_y" in found:
        pair |= {"test_x": "t10k-images-idx3-ubyte", "test_y": "t10k-labels-idx1-ubyte"}
    missing = [name for role, name in pair.items() if role not in found]
    if missing:
        raise DataError(f"{path}: lacks {', '.join(missing)}", _EXPECTED)
    return found


def cache_key(path: Path) -> str:
    """The name under which the cache keeps the set that lies at a resolved path."""
    plain = re.sub(r"[^\w-]", "_", set_name(path), flags=re.ASCII)[:60]
    return f"path-{plain}-{hashlib.blake2b(os.fsencode(path), digest_size=8).hexdigest()}"


def set_name(path: Path) -> str:
    """The name of a set that lies at a resolved path: the folder's or file's name without its suffix, .gz and .xz left out before."""
    plain = path.with_suffix("") if path.suffix.lower() in (".gz", ".xz") else path
    return _text(plain.stem) or "data"


def _text(path: Path | str) -> str:
    """A path as text that can be stored, whatever bytes are in it."""
    return os.fsencode(path).decode("utf-8", "replace")


def origin(path: Path, found: dict[str, Path]) -> list[str]:
    """What tells one state of the files from another without reading them: the path, and each file's size and time."""
    try:
        stamps = [(role, file, file.stat()) for role, file in sorted(found.items())]
    except OSError as error:
        raise DataError(f"{error.filename}: {cause_of(error)}") from error
    return [_text(path), *(f"{role} {_text(file.name)} {stamp.st_size} {stamp.st_mtime_ns}" for role, file, stamp in stamps)]


def read(path: Path, found: dict[str, Path]) -> Whole:
    """The set in the given files, in memory; classes are 0 … the largest label. Errors: DataError with the file and the reason."""
    train_x, train_y, shape = read_idx_pair(found["train_x"], found["train_y"])
    arrays = {"train_x": train_x, "train_y": train_y}
    most = int(train_y.max())
    if "test_x" in found:
        test_x, test_y, test_shape = read_idx_pair(found["test_x"], found["test_y"])
        if test_shape != shape or test_x.dtype != train_x.dtype:
            raise DataError(
                f"{found['test_x']}: its rows are {test_x.dtype} {test_shape}, those of the training part {train_x.dtype} {shape}"
            )
        arrays |= {"test_x": test_x, "test_y": test_y}
        most = max(most, int(test_y.max()))
    return Whole(
        name=set_name(path),
        task="classification",
        shape=shape,
        classes=tuple(str(label) for label in range(most + 1)),
        train_x=train_x,
        train_y=train_y,
        test_x=arrays.get("test_x"),
        test_y=arrays.get("test_y"),
        official_validation=None,
        sha256=arrays_sha256(arrays),
        source=f"folder {_text(path)}",
    )
