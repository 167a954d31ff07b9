"""Sets of the catalogue that are no four IDX files: one reader call a distribution, and the check that the content is the official one."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from mlp_cli.data.arrays import assemble, parse_idx, read_npz
from mlp_cli.data.cifar import TEST_SHA256, TRAIN_SHA256, content_sha256, find_batches, read_cifar
from mlp_cli.data.dataset import Array, RawSet
from mlp_cli.data.entry import Entry, File
from mlp_cli.data.images import read_images
from mlp_cli.data.streams import members
from mlp_cli.errors import DataError, cause_of

_PIECE = 1 << 20


def find(entry: Entry, root: Path) -> Iterator[Path]:
    """Where below a data folder a distribution seems to lie, by names alone: folders for CIFAR-10, else the archive."""
    for folder in (*(root / name for name in entry.folders), root):
        if entry.form == "cifar10":
            if find_batches(folder):
                yield folder
            continue
        for file in entry.files:
            names = (*file.names, *(name + file.packing for name in file.names if file.packing))
            yield from (folder / name for name in names if os.path.lexists(folder / name))


def read(entry: Entry, place: Path) -> RawSet:
    """The set at a place that `find` gave, with the classes of the entry. Errors: DataError where it is not the official one."""
    return _READERS[entry.form](entry, place)


def check_packed(file: File, path: Path) -> None:
    """Refuses a file that is not, byte by byte, the one that mirrors serve. Errors: DataError."""
    wanted = file.packed_sha256 or file.sha256
    digest = hashlib.sha256()
    try:
        size = path.stat().st_size
        if size != file.packed_bytes:
            raise DataError(f"{path}: not the official file: it has {size:,} bytes, {file.packed_bytes:,} are expected")
        with open(path, "rb") as handle:
            while piece := handle.read(_PIECE):
                digest.update(piece)
    except OSError as error:
        raise DataError(f"{path}: {cause_of(error)}") from error
    if digest.hexdigest() != wanted:
        raise DataError(
            f"{path}: not the official file: its SHA-256 is {digest.hexdigest()[:12]}…, {str(wanted)[:12]}… is expected"
        )


def _read_cifar10(entry: Entry, place: Path) -> RawSet:
    pieces = assemble(read_cifar(place), str(place))
    for part, x, y, wanted in (
        ("training", pieces.train_x, pieces.train_y, TRAIN_SHA256),
        ("test", pieces.test_x, pieces.test_y, TEST_SHA256),
    ):
        if x is None or y is None or content_sha256(x, y) != wanted:
            raise DataError(
                f"{place}: its {part} batches are not the official ones; dataset: {{path: {place}}} takes them as they are"
            )
    return pieces


def _read_emnist(entry: Entry, place: Path) -> RawSet:
    """One subset out of the archive of all. The images lie on their side in it, as its authors say, and are turned upright."""
    check_packed(entry.files[0], place)
    wanted = {
        f"emnist-{entry.subset}-{part}-{end}-ubyte.gz": f"{part}_{kind}"
        for part in ("train", "test")
        for kind, end in (("x", "images-idx3"), ("y", "labels-idx1"))
    }
    arrays: dict[str, Array] = {}
    for member in members(place):
        if role := wanted.pop(member.member.rsplit("/", 1)[-1], None):
            arrays[role] = parse_idx(zlib.decompress(member.read(), 31), member.where)
    if wanted:
        raise DataError(f"{place}: holds no {min(wanted)}")
    upright = {role: np.ascontiguousarray(array.transpose(0, 2, 1)) for role, array in arrays.items() if array.ndim == 3}
    # The letters are numbered from 1.
    first = int(min(arrays["train_y"].min(), 1)) if entry.subset == "letters" else 0
    labels = {role: array.astype(np.int64) - first for role, array in arrays.items() if array.ndim == 1}
    return RawSet(
        train_x=upright["train_x"].reshape(len(labels["train_y"]), -1),
        train_y=labels["train_y"],
        test_x=upright["test_x"].reshape(len(labels["test_y"]), -1),
        test_y=labels["test_y"],
        shape=entry.shape,
        classes=entry.classes,
    )


def _read_npz(entry: Entry, place: Path) -> RawSet:
    check_packed(entry.files[0], place)
    return replace(assemble(read_npz(place), str(place)), classes=entry.classes)


def _read_pictures(entry: Entry, place: Path) -> RawSet:
    check_packed(entry.files[0], place)
    return assemble(read_images(place), str(place))


_READERS: dict[str, Callable[[Entry, Path], RawSet]] = {
    "cifar10": _read_cifar10,
    "emnist": _read_emnist,
    "npz": _read_npz,
    "pictures": _read_pictures,
}
