"""A set of the catalogue out of a folder, whoever laid it out: found by name, taken only if its content is the official one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mlp_cli.data import distributions
from mlp_cli.data.arrays import idx_header, parse_idx, read_npz
from mlp_cli.data.catalogue import Entry, File, KerasFile, owner_of
from mlp_cli.data.dataset import Array
from mlp_cli.data.streams import open_file
from mlp_cli.errors import DataError

SUFFIXES = ("", ".gz", ".xz")


class Absent(DataError):
    """A source that does not have the set or cannot be reached; nothing is broken."""


class _OtherSet(DataError):
    """A file of the right name that belongs to another set."""


class Taken(NamedTuple):
    """A set's arrays by role, what was found broken while they were looked for, and what their reader had to tell."""

    arrays: dict[str, Array]
    complaints: list[str]
    notices: tuple[str, ...]


def take(entry: Entry, root: Path) -> Taken:
    """The verified arrays of a set below a data folder, and what was found broken on the way.

    The arrays are train_x (N, D) uint8, train_y (N,) int64, and test_x, test_y where the set has them. Places are tried in the order
    of `places`.
    Errors: `Absent` where no file of the set is there; DataError that lists what is wrong with what is there.
    """
    complaints: list[str] = []
    for place in places(entry, root):
        notices: tuple[str, ...] = ()
        try:
            if entry.form != "idx":
                arrays, notices = _take_distribution(entry, place)
            elif entry.keras and place.name == entry.keras.name:
                arrays = _take_keras(entry, entry.keras, place)
            else:
                arrays = _take_files(entry, place, complaints)
        except DataError as error:
            complaints.append(error.message)
        else:
            return Taken(arrays, complaints, notices)
    if complaints:
        raise DataError("; ".join(complaints))
    raise Absent(f"has no file of {entry.name}")


def places(entry: Entry, root: Path) -> Iterator[Path]:
    """Where below a data folder files of the set seem to lie, by their names alone: folders, Keras's one file, or archives."""
    if entry.form != "idx":
        yield from distributions.find(entry, root)
        return
    for folder in (*(root / name for name in entry.folders), root):
        if any(copies(file, folder) for file in entry.files):
            yield folder
    if entry.keras:
        files = (folder / entry.keras.name for folder in (root, *(root / name for name in entry.folders)))
        yield from (file for file in files if os.path.lexists(file))


def copies(file: File, folder: Path) -> list[Path]:
    """The files in a folder that go by a name of `file`; dangling links too, so that they are named as broken."""
    candidates = (folder / f"{name}{suffix}" for name in file.names for suffix in SUFFIXES)
    return [path for path in candidates if os.path.lexists(path)]


def seems_here(entry: Entry, root: Path) -> Path | None:
    """A place below a data folder that very probably holds the set: all names are there and the smallest file is the right one."""
    if not entry.files:
        return None
    smallest = min(entry.files, key=lambda file: file.bytes)
    for place in places(entry, root):
        if place.is_file() or entry.form != "idx":
            return place
        if not all(copies(file, place) for file in entry.files):
            continue
        for path in copies(smallest, place):
            try:
                _read_verified(entry, smallest, path)
            except DataError:
                continue
            return place
    return None


def _take_files(entry: Entry, folder: Path, complaints: list[str]) -> dict[str, Array]:
    missing = [file.names[0] for file in entry.files if not copies(file, folder)]
    if missing:
        raise DataError(f"{folder}: lacks {', '.join(missing)}")
    contents = {}
    problems: list[str] = []
    # The smallest first: the labels tell sets that share their names apart, in no time.
    for file in sorted(entry.files, key=lambda file: file.bytes):
        for path in copies(file, folder):
            try:
                contents[file.role] = parse_idx(_read_verified(entry, file, path), str(path))
                break
            except _OtherSet:
                raise
            except DataError as error:
                problems.append(error.message)
    if len(contents) < len(entry.files):
        raise DataError("; ".join(problems))
    complaints += problems
    return _shaped(contents)


def _read_verified(entry: Entry, file: File, path: Path) -> Array:
    if file.sha256 is None:
        if path.suffix != file.packing:
            raise DataError(
                f"{path}: cannot be checked, since only {file.packed_name} has a published hash; "
                f"dataset: {{path: {path.parent}}} takes it as it is"
            )
        distributions.check_packed(file, path)
    with open_file(path) as content:
        buffer = content.read(file.bytes)
        sha256 = hashlib.sha256(buffer).hexdigest()
        if len(buffer) < file.bytes or content.read(1):
            size = f"{len(buffer):,}" if len(buffer) < file.bytes else f"more than {len(buffer):,}"
            raise content.error(f"not the official file: its content has {size} bytes, {file.bytes:,} are expected")
        if sha256 != (file.sha256 or sha256):
            owner = owner_of(sha256)
            if owner:
                raise _OtherSet(f"{path}: belongs to {owner}, not to {entry.name} (the names are the same)")
            wanted = str(file.sha256)[:12]
            raise content.error(f"not the official file: its content has SHA-256 {sha256[:12]}…, {wanted}… is expected")
    return np.frombuffer(buffer, np.uint8)


def _take_keras(entry: Entry, keras: KerasFile, path: Path) -> dict[str, Array]:
    named = read_npz(path).arrays
    for file in entry.files:
        # The array with the header that it would have as IDX must give the official file.
        array = named.get(file.role, np.empty(0, np.uint8))
        digest = hashlib.sha256(idx_header(array) if array.dtype == np.uint8 else b"")
        digest.update(array.data)
        if digest.hexdigest() != file.sha256:
            raise DataError(f"{path}: array {keras.keys[file.role]} does not have the values of {entry.name}")
    return _shaped(named)


def _take_distribution(entry: Entry, place: Path) -> tuple[dict[str, Array], tuple[str, ...]]:
    pieces = distributions.read(entry, place)
    if pieces.classes != entry.classes or pieces.shape != entry.shape:
        raise DataError(f"{place}: holds rows {pieces.shape} of the classes {', '.join(pieces.classes)}: not {entry.name}")
    arrays = {"train_x": pieces.train_x, "train_y": pieces.train_y}
    if pieces.test_x is not None and pieces.test_y is not None:
        arrays |= {"test_x": pieces.test_x, "test_y": pieces.test_y}
    return arrays, pieces.notices


def _shaped(arrays: dict[str, Array]) -> dict[str, Array]:
    return {
        role: array.reshape(len(array), -1) if role.endswith("_x") else array.astype(np.int64) for role, array in arrays.items()
    }
