"""Pictures with one folder a class, in a folder or in a tar or zip archive, which is read member by member."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mlp_cli.data.content import foreign
from mlp_cli.data.dataset import Array
from mlp_cli.data.pictures import SUFFIXES, Refused, Unreadable, open_picture, pixels_of
from mlp_cli.data.pieces import Pieces, part_of
from mlp_cli.data.read_tar import is_tar_name, tar_members
from mlp_cli.data.read_zip import open_zip
from mlp_cli.data.streams import FREE, Member, printable, read_all
from mlp_cli.errors import DataError, cause_of
from mlp_cli.files import read_bytes

MOST_PIXELS = 1 << 20
"""Of one picture: 1024 x 1024."""
_MOST_BYTES = 32 << 20
_RATIO = 150
_LARGEST = 16 << 30
_MOST_FILES = 2_000_000
_DEEPEST = 8
_PARTS = ("train", "validation", "test")
_LAYOUT = "put the pictures of each class into one folder, named after the class"

Parts = tuple[str, ...]


def read_images(path: Path) -> Pieces:
    """The set in a folder, .tar(.gz|.xz) or .zip with one folder of pictures (.png .jpg .jpeg .bmp .gif) a class.

    x is (N, D) uint8. If all pictures are greyscale the shape is (height, width); if some are not, it is (3, height, width), and the
    grey ones have three equal planes. All must be of one size. Classes are named by the folders and in their order (by number where
    all names are numbers); rows are in the order of class and file name. Folders `train`, `test` and `validation` around those of the
    classes are understood, as is one folder around all. Files that cannot be read as pictures are left out; a notice counts them.
    Hidden files and those that are no pictures by name are passed over, links that lead out of the folder are not followed.
    Errors: DataError with the path and the reason.
    """
    rows = _Rows(path)
    if path.is_dir():
        _read_folder(path, rows)
    elif is_tar_name(path):
        rows.packed = _size(path)
        with closing(tar_members(path)) as members:
            for member in members:
                if parts := rows.wanted(_parts(member)):
                    rows.add(parts, read_all(member, _MOST_BYTES))
    else:
        with open_zip(path) as found:
            rows.packed = _size(path)
            named = {parts: found[name] for name in found if (parts := rows.wanted(_parts(found[name])))}
            for parts in sorted(named):
                rows.add(parts, read_all(named[parts], _MOST_BYTES))
    return _pieces(rows)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise DataError(f"{path}: {cause_of(error)}") from error


@dataclass
class _Rows:
    """The pictures that were read so far, as rows of bytes, with their places in the folder or archive."""

    path: Path
    packed: int = 0
    names: list[Parts] = field(default_factory=list)
    seen: set[Parts] = field(default_factory=set)
    shape: tuple[int, ...] = ()
    content: bytearray = field(default_factory=bytearray)
    unreadable: dict[Parts, str] = field(default_factory=dict)
    others: int = 0
    links: int = 0

    def wanted(self, parts: Parts) -> Parts | None:
        """The place again, if a picture is to be read there; None for hidden files and for others, which are counted."""
        if any(map(_hidden, parts)):
            return None
        if not parts[-1].lower().endswith(SUFFIXES):
            self.others += 1
            return None
        if parts in self.seen:
            raise DataError(f"{self.path}: holds {_told(parts)} twice")
        self.seen.add(parts)
        if len(self.seen) > _MOST_FILES:
            raise DataError(f"{self.path}: holds more than {_MOST_FILES:,} pictures")
        return parts

    def add(self, parts: Parts, content: bytes) -> None:
        """Takes the content of a file in."""
        try:
            pixels = pixels_of(open_picture(content, MOST_PIXELS))
        except Unreadable as error:
            self.unreadable[parts] = foreign(content[:512]) or str(error)
            return
        except Refused as error:
            raise DataError(f"{self.path}: {_told(parts)}: {error}") from error
        size, expected = pixels.shape[-2:], self.shape[-2:] or pixels.shape[-2:]
        if size != expected:
            raise DataError(
                f"{self.path}: {_told(parts)} is {size[1]} x {size[0]} pixels, but {_told(self.names[0])} is {expected[1]} x "
                f"{expected[0]}: all must be of one size",
                "scale or crop the pictures to one size first",
            )
        if pixels.ndim > len(self.shape):
            self._add_planes(pixels.shape)
        if pixels.ndim < len(self.shape):
            pixels = np.broadcast_to(pixels, self.shape)
        self.names.append(parts)
        self.content += np.ascontiguousarray(pixels).data
        if len(self.content) > min(_LARGEST, max(FREE, _RATIO * self.packed)):
            raise DataError(
                f"{self.path}: its pictures have more than {len(self.content):,} values in {self.packed:,} packed bytes: "
                "looks like a decompression bomb"
            )

    def _add_planes(self, shape: tuple[int, ...]) -> None:
        """Gives the rows so far the planes that a coloured picture has, if they lack them."""
        if self.names:
            grey = self.array().reshape(len(self.names), 1, -1)
            self.content = bytearray(np.repeat(grey, shape[0], axis=1).data)
        self.shape = shape

    def array(self) -> Array:
        return np.frombuffer(self.content, dtype=np.uint8).reshape(len(self.names), -1)


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _told(parts: Parts) -> str:
    return printable("/".join(parts))


def _parts(member: Member) -> Parts:
    parts = tuple(part for part in member.name.replace("\\", "/").split("/") if part not in ("", "."))
    if ".." in parts or not parts:
        raise member.error("a name that leads out of the archive: damaged or hostile")
    return parts


def _read_folder(root: Path, rows: _Rows) -> None:
    try:
        found = sorted(_files(root, os.path.realpath(root), (), rows))
    except OSError as error:
        raise DataError(f"{error.filename or root}: {cause_of(error)}") from error
    rows.packed = sum(size for _, size in found)
    for parts, _ in found:
        rows.add(parts, read_bytes(root.joinpath(*parts), _MOST_BYTES, DataError))


def _files(folder: Path, root: str, above: Parts, rows: _Rows) -> Iterator[tuple[Parts, int]]:
    """The pictures below a folder with their sizes in bytes; `root` is the real path that links must not lead out of."""
    with os.scandir(folder) as entries:
        for entry in entries:
            parts = (*above, entry.name)
            if _hidden(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                if len(parts) < _DEEPEST:
                    yield from _files(folder / entry.name, root, parts, rows)
            elif entry.is_symlink() and not (entry.is_file() and Path(os.path.realpath(entry.path)).is_relative_to(root)):
                rows.links += 1
            elif entry.is_file() and rows.wanted(parts):
                yield parts, entry.stat().st_size


def _pieces(rows: _Rows) -> Pieces:
    if not rows.names:
        told = f"; {len(rows.unreadable):,} files are named like pictures, but none can be read" if rows.unreadable else ""
        why = f" (the first: {next(iter(rows.unreadable.values()))})" if rows.unreadable else _links(rows.links)
        raise DataError(f"{rows.path}: holds no pictures{told}{why}", f"{_LAYOUT}: {', '.join(SUFFIXES)}")
    places = _places(rows)
    classes = _classes(rows, places)
    number = {name: at for at, name in enumerate(classes)}
    kept = [places[parts] for parts in rows.names]
    order = sorted(range(len(kept)), key=lambda at: (_PARTS.index(kept[at][0]), number[kept[at][1]], rows.names[at]))
    x, y = rows.array(), np.array([number[name] for _, name in kept], dtype=np.int64)
    if order != list(range(len(order))):
        x, y = x[order], y[order]
    train, validation, test = (sum(part == name for part, _ in kept) for name in _PARTS)
    return Pieces(
        train_x=x[: train + validation],
        train_y=y[: train + validation],
        test_x=x[train + validation :] if test else None,
        test_y=y[train + validation :] if test else None,
        shape=rows.shape,
        official_validation=validation or None,
        classes=tuple(map(printable, classes)),
        notices=_notices(rows),
    )


def _places(rows: _Rows) -> dict[Parts, tuple[str, str]]:
    """Part (train, validation or test) and class of every picture, the unreadable ones included."""
    trimmed = {parts: parts for parts in (*rows.names, *rows.unreadable)}
    while len({parts[0] for parts in trimmed.values()}) == 1 and max(map(len, trimmed.values())) > 2:
        trimmed = {key: parts[1:] for key, parts in trimmed.items()}
        _refuse_stray(rows, trimmed, 1)
    tops = {part_of(parts[0]) for parts in trimmed.values()}
    if "train" not in tops or None in tops:
        _refuse_stray(rows, trimmed, 2)
        return {key: ("train", parts[0]) for key, parts in trimmed.items()}
    _refuse_stray(rows, trimmed, 3)
    return {key: (part_of(parts[0]) or "train", parts[1]) for key, parts in trimmed.items()}


def _refuse_stray(rows: _Rows, trimmed: dict[Parts, Parts], depth: int) -> None:
    for key, parts in trimmed.items():
        if len(parts) < depth:
            raise DataError(f"{rows.path}: {_told(key)} lies in no class's folder", _LAYOUT)


def _classes(rows: _Rows, places: dict[Parts, tuple[str, str]]) -> list[str]:
    read = {places[parts] for parts in rows.names}
    names = {name for part, name in read if part != "test"}
    for part, name in sorted(set(places.values())):
        if name not in names:
            reason = "can be read" if (part, name) not in read else "is in the training part"
            raise DataError(f"{rows.path}: no picture of the class {printable(name)} {reason}")
    if len(names) < 2:
        raise DataError(f"{rows.path}: all its pictures are of one class, {printable(min(names))}", _LAYOUT)
    if all(name.isdecimal() for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)


def _notices(rows: _Rows) -> tuple[str, ...]:
    notices = []
    if rows.unreadable:
        parts, reason = min(rows.unreadable.items())
        count = len(rows.unreadable)
        told = "1 picture cannot be read and is" if count == 1 else f"{count:,} pictures cannot be read and are"
        notices.append(f"{told} left out ({'the first: ' if count > 1 else ''}{_told(parts)}: {reason})")
    if rows.others:
        notices.append(f"{rows.others:,} other file{'s' * (rows.others > 1)} passed over: no pictures by their names")
    if rows.links:
        notices.append(_links(rows.links).removeprefix("; "))
    return tuple(notices)


def _links(count: int) -> str:
    return f"; {count:,} link{'s' * (count > 1)} not followed: only links to files in the folder itself are" if count else ""
