"""IDX, the format of MNIST: two zero bytes, a type byte, the number of sizes, the sizes (32 bits, big-endian), the values."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np

from mlp_cli.data.content import Content
from mlp_cli.data.dataset import Array
from mlp_cli.errors import DataError

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_CODES = {np.dtype(name): code for code, name in _TYPES.items()}
_MOST_SIZES = 4
_MOST_CLASSES = 10_000
_NAME = re.compile(r"(train|t10k|test)-(images|labels)[-.]idx\d-ubyte(|\.gz|\.xz)$")


def read_idx(path: Path) -> Array:
    """The array in an IDX file (plain, .gz or .xz), in the machine's byte order and of the file's own type and shape.

    The header is checked against the file before anything is allocated, so a hostile file costs neither time nor memory.
    Errors: DataError with the path and the reason.
    """
    with Content(path) as content:
        start = content.read(4)
        sizes = content.read(4 * start[3]) if len(start) == 4 and start[3] <= _MOST_SIZES else b""
        dtype, shape = _header(start + sizes, content)
        size = math.prod(shape) * dtype.itemsize
        told = f"its header declares {_times(shape)} values = {size:,} bytes"
        content.check_size(size)
        buffer = np.empty(size, dtype=np.uint8)
        count = content.fill(buffer.data)
        if count < size:
            raise content.error(f"truncated: {told}, only {count:,} follow")
        if not content.at_end():
            raise content.error(f"longer than it should be: {told}, and more follow")
    return buffer.view(dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def parse_idx(content: Array, path: Path) -> Array:
    """The array in the bytes of an IDX file (uint8, 1-D), as a view where the byte order allows; `path` is for messages.

    Errors: DataError.
    """
    origin = Content(path)
    count = int(content[3]) if len(content) > 3 else 0
    start = 4 + 4 * count
    dtype, shape = _header(content[:start].tobytes(), origin)
    size = math.prod(shape) * dtype.itemsize
    if len(content) != start + size:
        raise origin.error(f"its header declares {_times(shape)} values = {size:,} bytes, {len(content) - start:,} follow")
    return content[start:].view(dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def idx_header(array: Array) -> bytes:
    """The header with which an array's bytes (big-endian, C order) make an IDX file."""
    code = _CODES[array.dtype.newbyteorder(">")]
    return bytes([0, 0, code, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)


def _header(header: bytes, content: Content) -> tuple[np.dtype, tuple[int, ...]]:
    if len(header) < 4:
        raise content.error("too short for an IDX file")
    if header[:2] != b"\0\0" or header[2] not in _TYPES:
        raise content.error(f"not an IDX file; starts with bytes {header[:4].hex(' ')}")
    if not 1 <= header[3] <= _MOST_SIZES:
        raise content.error(f"not a usable IDX file: its header declares {header[3]} dimensions, 1 to {_MOST_SIZES} are read")
    if len(header) < 4 + 4 * header[3]:
        raise content.error("truncated within its header")
    shape = tuple(int.from_bytes(header[at : at + 4], "big") for at in range(4, 4 + 4 * header[3], 4))
    if 0 in shape:
        raise content.error(f"holds nothing: its header declares {_times(shape)} values")
    return np.dtype(_TYPES[header[2]]), shape


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(str(size) for size in shape)


def find_idx(folder: Path) -> dict[str, Path]:
    """The IDX files of a folder by role (train_x, train_y, test_x, test_y); a plain file goes before .gz, that before .xz."""
    found: dict[str, Path] = {}
    rank = ("", ".gz", ".xz")
    matches = [(match, path) for path in folder.iterdir() if (match := _NAME.fullmatch(path.name))]
    for match, path in sorted(matches, key=lambda pair: (rank.index(pair[0][3]), pair[1].name)):
        part = "train" if match[1] == "train" else "test"
        found.setdefault(f"{part}_{'x' if match[2] == 'images' else 'y'}", path)
    return found


def read_idx_pair(images: Path, labels: Path) -> tuple[Array, Array, tuple[int, ...]]:
    """One part of a set: x (N, D) uint8 or float, y (N,) int64, and the shape of a row, checked against each other.

    Integers other than bytes become float32 (8 and 16 bits) or float64 (32 bits), which hold them exactly.
    Errors: DataError with the path and the reason.
    """
    x, y = read_idx(images), read_idx(labels)
    if x.ndim not in (2, 3):
        raise DataError(f"{images}: has {x.ndim} dimensions; images need 3 (rows x height x width), tables of features 2")
    if y.ndim != 1 or y.dtype.kind not in "ui":
        raise DataError(f"{labels}: holds {y.dtype.name} values in {y.ndim} dimensions; labels are whole numbers in 1 dimension")
    if len(x) != len(y):
        raise DataError(f"{images}: has {len(x):,} rows, but {labels.name} has {len(y):,} labels")
    if y.min() < 0 or y.max() >= _MOST_CLASSES:
        bad = int(y.min() if y.min() < 0 else y.max())
        raise DataError(f"{labels}: holds the label {bad}; labels are 0 to {_MOST_CLASSES - 1}")
    if x.dtype.kind == "i":
        x = x.astype(np.float64 if x.dtype.itemsize > 2 else np.float32)
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        raise DataError(f"{images}: holds values that are not finite")
    return x.reshape(len(x), -1), y.astype(np.int64), x.shape[1:]
