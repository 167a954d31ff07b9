"""Pictures with one folder a class, in a folder or in a tar or zip archive; Pillow decodes them."""

from __future__ import annotations

import io
import os
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlp_cli.data.arrays import PARTS, part_of
from mlp_cli.data.dataset import Array
from mlp_cli.data.formats import Found, reads
from mlp_cli.data.streams import Limit, foreign, members, printable
from mlp_cli.errors import DataError
from mlp_cli.files import read_bytes

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".pgm", ".ppm", ".tif", ".tiff")
MOST_PIXELS = 1 << 20
"""Of one picture: 1024 x 1024."""

# Never without a list: Pillow knows formats that start other programs, whatever a file is called.
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "PPM", "TIFF")
_GREY = ("1", "L", "LA")
_COLOUR = ("RGB", "RGBA", "RGBX", "RGBa", "P", "PA", "CMYK", "YCbCr")
_MOST_BYTES = 32 << 20
_MOST_FILES = 2_000_000
_LAYOUT = f"put the pictures of each class into one folder, named after the class: {', '.join(SUFFIXES)}"
_NAMED = 3
_UNREADABLE = "pictures that cannot be read are left out"

Parts = tuple[str, ...]


class Unreadable(Exception):
    """A picture that is damaged, or is none; the text says why."""


class Refused(Unreadable):
    """A picture that asks for more than is given to one, or that cannot be used as it is; the text says why."""


def decode(content: bytes, most_pixels: int = MOST_PIXELS) -> tuple[Array, str | None]:
    """A picture's values as uint8, (height, width) if it is greyscale, else (3, height, width), the red plane first; and a note.

    Greyscale are pictures without colour channels, and those with a palette of greys alone. Transparency is dropped, as by
    torchvision. The note says where the values are not all, or not as, the file has them.
    Errors: `Refused` for more pixels, and for more than 8 bits a channel; `Unreadable` for whatever else is wrong.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings(), _silence() if content[:2] in (b"II", b"MM") else nullcontext():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(content), formats=_FORMATS)
            width, height = picture.size
            if width * height > most_pixels:
                raise Refused(f"is {width:,} x {height:,} pixels, more than the limit of {most_pixels:,} in all")
            if _is_deep(picture):
                raise Refused("has more than 8 bits a channel; pictures of 8 bits are read")
            note = "only the first of several frames is taken" if getattr(picture, "is_animated", False) else None
            picture.load()
            if picture.mode in _GREY or (picture.mode in ("P", "PA") and _grey_palette(picture)):
                return np.asarray(picture.convert("L")), note
            if picture.mode not in _COLOUR:
                raise Refused(f"is of the colour mode {picture.mode}; save it as RGB")
            if picture.mode == "CMYK":
                note = "CMYK is turned into RGB"
            return np.asarray(picture.convert("RGB")).transpose(2, 0, 1), note
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise Refused("has more pixels than Pillow's limit") from error
    except Refused:
        raise
    # Whatever a decoder stumbles over: Pillow lets many kinds of exception through.
    except Exception as error:
        raise Unreadable("not a picture" if isinstance(error, Image.UnidentifiedImageError) else "damaged") from error


@contextmanager
def _silence() -> Iterator[None]:
    """Keeps the readers of TIFF from writing what they think of a damaged file to the standard error."""
    with open(os.devnull, "wb") as nothing:
        kept = os.dup(2)
        try:
            os.dup2(nothing.fileno(), 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _is_deep(picture: ImageFile) -> bool:
    """Whether there are more than 8 bits a channel, which Pillow cuts off in silence where there are several channels."""
    from PIL import TiffImagePlugin

    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        return max(picture.tag_v2.get(258, (1,))) > 8
    details = [detail for tile in picture.tile for detail in (tile[3] if isinstance(tile[3], tuple) else (tile[3],))]
    highest = max([detail for detail in details if isinstance(detail, int)], default=0) if picture.format == "PPM" else 0
    return picture.mode[0] in "IF" or highest > 255 or any(";16" in str(detail) for detail in details)


def _grey_palette(picture: ImageFile) -> bool:
    palette = np.array(picture.getpalette("RGB") or [0, 0, 0], dtype=np.uint8).reshape(-1, 3)
    return bool((palette == palette[:, :1]).all())


@dataclass
class _Pictures:
    """The pictures of a folder or an archive by their places in it, and what is to be told of them: a sentence → what it is true of."""

    path: Path
    pixels: dict[Parts, Array] = field(default_factory=dict)
    unreadable: set[Parts] = field(default_factory=set)
    others: list[Parts] = field(default_factory=list)
    folders: set[Parts] = field(default_factory=set)
    told: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def _walk(folder: Path | str, root: str, above: Parts = ()) -> Iterator[tuple[Parts, str | None]]:
    """Files with their paths, and folders with None, in the order of their names; the path is empty if it leads out of `root`."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        parts = (*above, entry.name)
        if _hidden(entry.name):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield parts, None
            yield from _walk(entry.path, root, parts)
        elif entry.is_symlink() and not (entry.is_file() and Path(os.path.realpath(entry.path)).is_relative_to(root)):
            yield parts, ""
        elif entry.is_file():
            yield parts, entry.path


def _entries(found: _Pictures) -> Iterator[tuple[Parts, Callable[[], bytes] | None]]:
    """Files with how to read them, and folders with None."""
    if found.path.is_dir():
        for parts, file in _walk(found.path, os.path.realpath(found.path)):
            if file == "":
                found.told["links that lead out of the folder are not followed"].append("/".join(parts))
            else:
                yield parts, None if file is None else partial(read_bytes, Path(file), _MOST_BYTES, DataError)
        return
    for member in members(found.path):
        parts = tuple(part for part in member.member.replace("\\", "/").split("/") if part not in ("", "."))
        if ".." in parts:
            raise member.error("a name that leads out of the archive: damaged or hostile")
        if parts and not any(map(_hidden, parts)):
            yield parts, None if member.member.endswith("/") else partial(member.read, _MOST_BYTES + 1)


def _read(path: Path) -> _Pictures:
    """All that is in a folder or an archive. Errors: DataError for a picture that cannot be used, though it can be read."""
    found = _Pictures(path)
    limit = Limit(str(path))
    for number, (parts, read) in enumerate(_entries(found)):
        if number == _MOST_FILES:
            raise DataError(f"{path}: holds more than {_MOST_FILES:,} files")
        found.folders.update(parts[:depth] for depth in range(1, len(parts) + (read is None)))
        if read is None:
            continue
        if not parts[-1].lower().endswith(SUFFIXES):
            found.others.append(parts)
            continue
        where, content = printable("/".join(parts)), read()
        if len(content) > _MOST_BYTES:
            raise DataError(f"{path}: {where}: has more than the limit of {_MOST_BYTES:,} bytes")
        if parts in found.pixels or parts in found.unreadable:
            raise DataError(f"{path}: {where}: is there twice")
        try:
            pixels, note = decode(content)
        except Refused as error:
            raise DataError(f"{path}: {where}: {error}") from error
        except Unreadable as error:
            found.unreadable.add(parts)
            found.told[_UNREADABLE].append(f"{where} ({foreign(content[:512]) or error})")
            continue
        if note:
            found.told[note].append(where)
        limit.take(pixels.size)
        found.pixels[parts] = pixels
        first, expected = next(iter(found.pixels.items()))
        if pixels.shape[-2:] != expected.shape[-2:]:
            (height, width), (rows, columns) = pixels.shape[-2:], expected.shape[-2:]
            raise DataError(
                f"{path}: {where} is {width} x {height} pixels, {printable('/'.join(first))} is {columns} x {rows}: one size is needed",
                "scale or crop the pictures to one size first",
            )
    return found


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _some(names: Iterable[str]) -> str:
    found = sorted(map(printable, names))
    return ", ".join(found[:_NAMED]) + (f" and {len(found) - _NAMED:,} more" if len(found) > _NAMED else "")


def _files(path: Path) -> list[Path]:
    files = _walk(path, os.path.realpath(path)) if path.is_dir() else ()
    return [Path(file) for _, file in files if file and file.lower().endswith(SUFFIXES)]


@reads(
    *("images", "a folder, .zip or .tar(.gz) with one folder of pictures a class", ".zip", ".tar", ".tgz", ".txz"),
    files=_files,
    last=True,
)
def read_images(path: Path) -> Found:
    """The set in a folder, .tar(.gz|.xz) or .zip with one folder of pictures (see `SUFFIXES`) a class.

    x is (N, height, width) uint8 if all pictures are greyscale, else (N, 3, height, width), and grey ones have three equal planes. All
    must be of one size. Classes are named by the folders and in their order (by number where all names are numbers); rows are in the
    order of class and file name. Folders for the parts (`train`, `test_set`, `seg_val` …) around those of the classes, or inside each
    of them, are understood, as is one folder around all. Notices tell of what is passed over, or not taken as it is.
    Errors: DataError.
    """
    found = _read(path)
    if not found.pixels:
        why = f"; none can be read: {_some(found.told[_UNREADABLE])}" if found.unreadable else ""
        raise DataError(f"{path}: holds no pictures{why}", _LAYOUT)
    places = _places(found)
    classes = _classes(found, places)
    number = {name: at for at, name in enumerate(classes)}
    shape = max((pixels.shape for pixels in found.pixels.values()), key=len)
    arrays: dict[str, Array] = {}
    for part in PARTS:
        rows = sorted((number[places[key][1]], key) for key in found.pixels if places[key][0] == part)
        if rows:
            arrays[f"{part}_x"] = np.empty((len(rows), *shape), dtype=np.uint8)
            arrays[f"{part}_y"] = np.array([label for label, _ in rows])
            for row, (_, key) in zip(arrays[f"{part}_x"], rows, strict=True):
                row[:] = found.pixels.pop(key)
    return Found(arrays, tuple(map(printable, classes)), tuple(_notices(found, places)))


Place = tuple[str, str, Parts]
"""Part, class, and the folder that stands for the class."""


def _places(found: _Pictures) -> dict[Parts, Place]:
    """The place of every picture, the unreadable ones included. Errors: DataError for folders that make no sense."""
    keys = [*found.pixels, *found.unreadable]
    start = _first_difference(keys, 0)
    deep = max(map(len, keys)) > start + 2
    for depth in (start, start + 1):
        words = {key[depth] for key in keys if len(key) > depth + 1}
        parts = {word: part for word in words if (part := part_of(word))}
        one_each = len(words) == len(set(parts.values()))
        # A class may be called train_station, say, and have folders in it.
        sure = one_each if depth > start else one_each or len(set(parts.values())) > 1 or "train" in map(str.lower, words)
        if not deep or "train" not in parts.values() or not sure:
            continue
        if not one_each:
            names = {"train": "path", "validation": "validation", "test": "test_path"}
            root = found.path.joinpath(*keys[0][:start])
            hint = " and ".join(f"{names[part]}: {root / word}" for word, part in sorted(parts.items(), reverse=True))
            raise DataError(
                f"{found.path}: of its folders {_some(words)} not each is one part of the set",
                f"give the parts by {'' if found.path.is_dir() else 'unpacking it, then '}{hint}",
            )
        _refuse_stray(found, keys, start + 3)
        inside = {word: _first_difference([key for key in keys if key[depth] == word], depth + 1) for word in words}
        at = {word: start if depth > start else inside[word] for word in words}
        return {key: (parts[key[depth]], key[at[key[depth]]], key[: at[key[depth]] + 1]) for key in keys}
    _refuse_stray(found, keys, start + 2)
    return {key: ("train", key[start], key[: start + 1]) for key in keys}


def _first_difference(keys: list[Parts], start: int) -> int:
    """The first place, from `start` on, at which paths differ or the folder of a class must be."""
    while len({key[start] for key in keys}) == 1 and max(map(len, keys)) > start + 2 and min(map(len, keys)) > start + 1:
        start += 1
    return start


def _refuse_stray(found: _Pictures, keys: list[Parts], depth: int) -> None:
    if stray := [key for key in keys if len(key) < depth]:
        raise DataError(f"{found.path}: {_some(map('/'.join, stray))} lies in no class's folder", _LAYOUT)


def _classes(found: _Pictures, places: dict[Parts, Place]) -> list[str]:
    read = {places[key][:2] for key in found.pixels}
    names = {name for part, name in read if part == "train"}
    for part, name in sorted({place[:2] for place in places.values()}):
        if name not in names:
            reason = "can be read" if (part, name) not in read else "is in the training part"
            raise DataError(f"{found.path}: no picture of the class {printable(name)} {reason}")
    if len(names) < 2:
        raise DataError(f"{found.path}: all its pictures are of one class, {printable(min(names))}", _LAYOUT)
    numbers = all(name.isdecimal() for name in names)
    return sorted(names, key=lambda name: (int(name) if numbers else 0, name))


def _notices(found: _Pictures, places: dict[Parts, Place]) -> list[str]:
    used = {place[2] for place in places.values()}
    beside = {folder[:-1] for folder in used}
    for folder in (folder for folder in found.folders - used if folder[:-1] in beside):
        inside = {os.path.splitext(other[-1])[1] or other[-1] for other in found.others if other[: len(folder)] == folder}
        found.told["no class is made of folders without a picture"].append(f"{'/'.join(folder)} ({_some(inside) or 'empty'})")
    inner = {frozenset(folder[-1] for folder in found.folders if folder[:-1] == one) for one in used}
    if len(inner) == 1 < len(used) and (names := inner.pop()):
        found.told[f"each of the classes' folders has the folders {_some(names)} in it"] += map("/".join, used)
    if found.others:
        found.told["files that are no pictures by their names are passed over"] += map("/".join, found.others)
    return [f"{what}: {_some(where)}" for what, where in found.told.items() if where]
