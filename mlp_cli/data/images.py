"""Pictures with one folder a class, in a folder or in a tar or zip archive; Pillow decodes them."""

from __future__ import annotations

import io
import os
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator
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
_LAYOUT = f"put the pictures of each class into one folder, named after the class: {', '.join(SUFFIXES)}"
_NAMED = 3

Parts = tuple[str, ...]


class Unreadable(Exception):
    """A picture that is damaged, or is none; the text says why."""


class Refused(Unreadable):
    """A picture that asks for more than is given to one, or that cannot be used as it is; the text says why."""


def decode(content: bytes, most_pixels: int = MOST_PIXELS) -> tuple[Array, str | None]:
    """A picture's values as uint8, (height, width) if it is greyscale, else (3, height, width), the red plane first; and a note.

    Greyscale are pictures without colour channels, and those with a palette of greys alone. Transparency is dropped, as by
    torchvision. The note says where the values are not the file's own: of several frames the first is taken, CMYK becomes RGB.
    Errors: `Refused` for more pixels, and for more than 8 bits a channel; `Unreadable` for whatever else is wrong.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(content), formats=_FORMATS)
            width, height = picture.size
            if width * height > most_pixels:
                raise Refused(f"is {width:,} x {height:,} pixels, more than the limit of {most_pixels:,} in all")
            if _is_deep(picture):
                raise Refused("has more than 8 bits a channel; pictures of 8 bits are read")
            note = "has several frames, and the first is taken" if getattr(picture, "is_animated", False) else None
            picture.load()
            if picture.mode in _GREY or (picture.mode in ("P", "PA") and _grey_palette(picture)):
                return np.asarray(picture.convert("L")), note
            if picture.mode not in _COLOUR:
                raise Refused(f"is of the colour mode {picture.mode}; save it as RGB")
            if picture.mode == "CMYK":
                note = "is CMYK, and is turned into RGB"
            return np.asarray(picture.convert("RGB")).transpose(2, 0, 1), note
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise Refused("has more pixels than Pillow's limit") from error
    except Refused:
        raise
    # Whatever a decoder stumbles over: Pillow lets many kinds of exception through.
    except Exception as error:
        raise Unreadable("not a picture" if isinstance(error, Image.UnidentifiedImageError) else "damaged") from error


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


class _Pictures:
    """The pictures of a folder or an archive: their pixels, and all that was passed over, by their places in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pixels: dict[Parts, Array] = {}
        self.unreadable: dict[Parts, str] = {}
        self.noted: dict[str, list[Parts]] = defaultdict(list)
        self.others: list[Parts] = []
        self.folders: set[Parts] = set()
        self.links = 0
        self.limit = Limit(str(path))

    def read(self) -> None:
        """Reads all of them. Errors: DataError for one that cannot be used, though it can be read."""
        for parts, content in self._from_folder() if self.path.is_dir() else self._from_archive():
            try:
                pixels, note = decode(content)
            except Refused as error:
                raise DataError(f"{self.path}: {_told(parts)}: {error}") from error
            except Unreadable as error:
                self.unreadable[parts] = foreign(content[:512]) or str(error)
                continue
            first, size = next(iter(self.pixels.items()), (parts, pixels))
            if pixels.shape[-2:] != size.shape[-2:]:
                (height, width), (other_height, other_width) = pixels.shape[-2:], size.shape[-2:]
                raise DataError(
                    f"{self.path}: {_told(parts)} is {width} x {height} pixels, but {_told(first)} is {other_width} x "
                    f"{other_height}: all must be of one size",
                    "scale or crop the pictures to one size first",
                )
            self.limit.take(pixels.size)
            self.pixels[parts] = pixels
            if note:
                self.noted[note].append(parts)

    def scan(self) -> list[Parts]:
        """The pictures below the folder, in the order of their names; links that lead out of it are not followed."""
        root = os.path.realpath(self.path)
        found: list[Parts] = []
        pending: list[Parts] = [()]
        while pending:
            above = pending.pop()
            with os.scandir(self.path.joinpath(*above)) as entries:
                for entry in entries:
                    parts = (*above, entry.name)
                    if _hidden(entry.name):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(parts)
                        self.folders.add(parts)
                    elif entry.is_symlink() and not (entry.is_file() and Path(os.path.realpath(entry.path)).is_relative_to(root)):
                        self.links += 1
                    elif entry.is_file():
                        (found if entry.name.lower().endswith(SUFFIXES) else self.others).append(parts)
        return sorted(found)

    def _from_folder(self) -> Iterator[tuple[Parts, bytes]]:
        for parts in self.scan():
            yield parts, read_bytes(self.path.joinpath(*parts), _MOST_BYTES, DataError)

    def _from_archive(self) -> Iterator[tuple[Parts, bytes]]:
        for member in members(self.path):
            parts = tuple(part for part in member.member.replace("\\", "/").split("/") if part not in ("", "."))
            if ".." in parts:
                raise member.error("a name that leads out of the archive: damaged or hostile")
            if any(map(_hidden, parts)):
                continue
            folder = parts if member.member.endswith("/") else parts[:-1]
            self.folders.update(folder[:depth] for depth in range(1, len(folder) + 1))
            if folder == parts:
                continue
            if not parts[-1].lower().endswith(SUFFIXES):
                self.others.append(parts)
                continue
            if parts in self.pixels or parts in self.unreadable:
                raise member.error("is there twice")
            content = member.read(_MOST_BYTES + 1)
            if len(content) > _MOST_BYTES:
                raise member.error(f"has more than the limit of {_MOST_BYTES:,} bytes")
            yield parts, content


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _told(parts: Parts) -> str:
    return printable("/".join(parts))


def _some(names: Iterable[str]) -> str:
    found = sorted(map(printable, names))
    return ", ".join(found[:_NAMED]) + (f" and {len(found) - _NAMED:,} more" if len(found) > _NAMED else "")


def _files(path: Path) -> list[Path]:
    return [path.joinpath(*parts) for parts in _Pictures(path).scan()] if path.is_dir() else []


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
    found = _Pictures(path)
    found.read()
    if not found.pixels:
        why = (
            f"; none of {len(found.unreadable):,} can be read (the first: {min(found.unreadable.values())})"
            if found.unreadable
            else ""
        )
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
            hint = " and ".join(f"{names[part]}: {found.path / word}" for word, part in sorted(parts.items(), reverse=True))
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
        raise DataError(f"{found.path}: {_told(stray[0])} lies in no class's folder", _LAYOUT)


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


def _notices(found: _Pictures, places: dict[Parts, Place]) -> Iterator[str]:
    if found.unreadable:
        key, reason = min(found.unreadable.items())
        count = len(found.unreadable)
        told = "1 picture cannot be read and is" if count == 1 else f"{count:,} pictures cannot be read and are"
        yield f"{told} left out ({'the first: ' if count > 1 else ''}{_told(key)}: {reason})"
    for note, noted in sorted(found.noted.items()):
        yield f"{_told(min(noted))} {note}" + (f"; so it is for {len(noted) - 1:,} more" if len(noted) > 1 else "")
    used = {place[2] for place in places.values()}
    beside = {folder[:-1] for folder in used}
    if empty := sorted(folder for folder in found.folders - used if folder[:-1] in beside):
        inside = {os.path.splitext(other[-1])[1] or other[-1] for other in found.others if other[: len(empty[0])] == empty[0]}
        why = f"files of {_some(inside)} alone" if inside else "empty"
        yield f"no class is made of {_some(map('/'.join, empty))}: no picture is in there ({_told(empty[0])}: {why})"
    inner = {frozenset(folder[-1] for folder in found.folders if folder[:-1] == one) for one in used}
    if len(inner) == 1 < len(used) and (names := inner.pop()):
        yield f"the classes are {_some(map('/'.join, used))}; each of these folders has folders {_some(names)} in it"
    if found.others:
        yield f"{len(found.others):,} other file{'s' * (len(found.others) > 1)} passed over: no pictures by their names"
    if found.links:
        yield f"{found.links:,} link{'s' * (found.links > 1)} not followed: only links to files in the folder itself are"
