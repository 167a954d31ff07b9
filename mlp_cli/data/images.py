"""Pictures with one folder a class, in a folder or in a tar or zip archive; Pillow decodes them."""

from __future__ import annotations

import io
import os
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlp_cli.data.arrays import PARTS, part_of
from mlp_cli.data.dataset import Array
from mlp_cli.data.formats import Found, reads
from mlp_cli.data.streams import Limit, foreign, members, printable, some
from mlp_cli.errors import DataError
from mlp_cli.files import read_bytes

if TYPE_CHECKING:
    from PIL.Image import Image as Picture
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

Parts = tuple[str, ...]


class Unreadable(Exception):
    """A picture that is damaged, or is none; the text says why."""


def decode(content: bytes, where: str, most_pixels: int = MOST_PIXELS) -> tuple[Array, list[str]]:
    """A picture's values as uint8, (height, width) if it is greyscale, else (3, height, width), the red plane first; and notes.

    Greyscale are pictures without colour channels, and those with a palette of greys alone. What is transparent is laid on white, as
    browsers show it. The notes say where the values are not all, or not as, the file has them.
    Errors: DataError, which begins with `where`, for a picture that cannot be used as it is; `Unreadable` for whatever else is wrong.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings(), _silence() if content[:2] in (b"II", b"MM") else nullcontext():
            warnings.simplefilter("ignore")
            picture = Image.open(io.BytesIO(content), formats=_FORMATS)
            width, height = picture.size
            if width * height > most_pixels:
                raise DataError(f"{where}: is {width:,} x {height:,} pixels, more than the limit of {most_pixels:,} in all")
            if _is_deep(picture):
                raise DataError(f"{where}: has more than 8 bits a channel; pictures of 8 bits are read")
            notes = ["only the first of several frames is taken"] if getattr(picture, "is_animated", False) else []
            picture.load()
            grey = picture.mode in _GREY or (picture.mode in ("P", "PA") and _grey_palette(picture))
            if not grey and picture.mode not in _COLOUR:
                raise DataError(f"{where}: is of the colour mode {picture.mode}; save it as RGB")
            if picture.mode == "CMYK":
                notes.append("CMYK is turned into RGB")
            shown = _on_white(picture)
            if shown is not picture:
                notes.append("what is transparent is laid on white")
            pixels = np.asarray(shown.convert("L" if grey else "RGB"))
            return pixels if grey else pixels.transpose(2, 0, 1), notes
    except Image.DecompressionBombError as error:
        raise DataError(f"{where}: has more pixels than Pillow's limit") from error
    except DataError:
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
    options = [option for tile in picture.tile for option in (tile[3] if isinstance(tile[3], tuple) else (tile[3],))]
    highest = max([option for option in options if isinstance(option, int)], default=0) if picture.format == "PPM" else 0
    # A BMP of 16 bits has 5 or 6 of them for each channel.
    wide = picture.format == "PNG" and any(";16" in str(option) for option in options)
    return picture.mode[0] in "IF" or highest > 255 or wide


def _on_white(picture: Picture) -> Picture:
    """The picture as it is seen on white paper; itself where nothing of it is transparent."""
    from PIL import Image

    if not picture.has_transparency_data:
        return picture
    layer = picture.convert("RGBA")
    if np.asarray(layer)[..., 3].min() == 255:
        return picture
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)


def _grey_palette(picture: ImageFile) -> bool:
    palette = np.array(picture.getpalette("RGB") or [0, 0, 0], dtype=np.uint8).reshape(-1, 3)
    return bool((palette == palette[:, :1]).all())


@dataclass
class _Pictures:
    """The pictures of a folder or an archive by their places in it, and what is to be told of them: a sentence → what it is true of."""

    path: Path
    pixels: dict[Parts, Array] = field(default_factory=dict)
    unreadable: set[Parts] = field(default_factory=set)
    folders: set[Parts] = field(default_factory=set)
    told: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def _walk(root: Path) -> Iterator[tuple[Parts, str]]:
    """All that is not hidden in a folder, as parts below it and as a path, in the order of their names; links are not followed."""

    def stop(error: OSError) -> None:
        raise error

    for folder, folders, files in os.walk(root, onerror=stop):
        folders[:] = sorted(name for name in folders if not _hidden(name))
        above = Path(folder).relative_to(root).parts
        for name in sorted(folders + files):
            if not _hidden(name):
                yield (*above, name), os.path.join(folder, name)


def _entries(found: _Pictures) -> Iterator[tuple[Parts, Callable[[], bytes] | None]]:
    """Files with how to read them, and folders with None."""
    if found.path.is_dir():
        root = os.path.realpath(found.path)
        for parts, path in _walk(found.path):
            file = Path(path)
            if file.is_symlink() and not (file.is_file() and Path(os.path.realpath(path)).is_relative_to(root)):
                found.told["links that lead out of the folder are not followed"].append("/".join(parts))
            elif file.is_dir():
                yield parts, None
            elif file.is_file():
                yield parts, partial(read_bytes, file, _MOST_BYTES, DataError)
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
            found.told["files that are no pictures by their names are passed over"].append("/".join(parts))
            continue
        where, content = f"{path}: {printable('/'.join(parts))}", read()
        if len(content) > _MOST_BYTES:
            raise DataError(f"{where}: has more than the limit of {_MOST_BYTES:,} bytes")
        if parts in found.pixels or parts in found.unreadable:
            raise DataError(f"{where}: is there twice")
        try:
            pixels, notes = decode(content, where)
        except Unreadable as error:
            found.unreadable.add(parts)
            why = foreign(content[:512]) or error
            found.told["pictures that cannot be read are left out"].append(f"{'/'.join(parts)} ({why})")
            continue
        for note in notes:
            found.told[note].append("/".join(parts))
        limit.take(pixels.size)
        found.pixels[parts] = pixels
        first, expected = next(iter(found.pixels.items()))
        if pixels.shape[-2:] != expected.shape[-2:]:
            sizes = [" x ".join(map(str, one.shape[:-3:-1])) for one in (pixels, expected)]
            told = f"{where} is {sizes[0]} pixels, {printable('/'.join(first))} is {sizes[1]}"
            raise DataError(f"{told}: one size is needed", "scale or crop the pictures to one size first")
    return found


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def picture_files(path: Path) -> list[Path]:
    """The pictures in a folder by their names, in folders in it too, in the order of the names; none where it is no folder."""
    inside = _walk(path) if path.is_dir() else ()
    return [Path(file) for _, file in inside if file.lower().endswith(SUFFIXES) and os.path.isfile(file)]


@reads(
    *("images", "a folder, .zip or .tar(.gz) with one folder of pictures a class", ".zip", ".tar", ".tgz", ".txz"),
    files=picture_files,
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
        why = "; ".join(f"{what}: {some(where)}" for what, where in found.told.items())
        raise DataError(f"{path}: holds no pictures that can be used{why and f' ({why})'}", _LAYOUT)
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
    return Found(arrays, tuple(map(printable, classes)), _notices(found, places))


Place = tuple[str, str, Parts]
"""Part, class, and the folder that stands for the class."""


def _places(found: _Pictures) -> dict[Parts, Place]:
    """The place of every picture, the unreadable ones included. Errors: DataError for folders that make no sense."""
    keys = [*found.pixels, *found.unreadable]
    start = _fork(keys, 0)
    (parts, outside), (inner, inside) = _parts(keys, start), _parts(keys, start + 1)
    known = set(parts.values()) - {None}
    # Classes may be called train_station and bus_station, and have folders in them.
    sure = outside or len(known) > 1 or "train" in map(str.lower, parts)
    deep = "train" in known and sure and max(map(len, keys)) > start + 2
    if deep and not outside:
        options = {"train": "path", "validation": "validation", "test": "test_path"}
        root = found.path.joinpath(*keys[0][:start])
        hint = " and ".join(f"{options[part]}: {root / word}" for word, part in sorted(parts.items(), reverse=True) if part)
        hint = f"give the parts by {'' if found.path.is_dir() else 'unpacking it, then '}{hint}"
        raise DataError(f"{found.path}: of its folders {some(parts)} not each is one part of the set", hint)
    if stray := ["/".join(key) for key in keys if len(key) < start + 2 + deep]:
        raise DataError(f"{found.path}: {some(stray)} lies in no class's folder", _LAYOUT)
    if deep:
        at = {word: _fork([key for key in keys if key[start] == word], start + 1) for word in parts}
        return {key: (parts[key[start]] or "", key[at[key[start]]], key[: at[key[start]] + 1]) for key in keys}
    inside = inside and all(len(key) > start + 2 for key in keys)
    return {key: (inner[key[start + 1]] or "" if inside else "train", key[start], key[: start + 1]) for key in keys}


def _parts(keys: list[Parts], depth: int) -> tuple[dict[str, str | None], bool]:
    """The part that each folder at a depth means, if any, and whether each is another one, the training part among them."""
    parts = {key[depth]: part_of(key[depth]) for key in keys if len(key) > depth + 1}
    return parts, "train" in parts.values() and len(set(parts.values()) - {None}) == len(parts)


def _fork(keys: list[Parts], start: int) -> int:
    """The first place, from `start` on, at which paths differ or the folder of a class must be."""
    while len({key[start] for key in keys}) == 1 and max(map(len, keys)) > start + 2 and min(map(len, keys)) > start + 1:
        start += 1
    return start


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


def _notices(found: _Pictures, places: dict[Parts, Place]) -> tuple[str, ...]:
    used = {place[2] for place in places.values()}
    beside = {folder[:-1] for folder in used}
    empty = ["/".join(folder) for folder in found.folders - used if folder[:-1] in beside]
    inner = {frozenset(folder[-1] for folder in found.folders if folder[:-1] == one) for one in used}
    told = {"no class is made of folders without a picture": empty, **found.told}
    if len(inner) == 1 < len(used) and (names := inner.pop()):
        told[f"each of the classes' folders has the folders {some(names)} in it"] = ["/".join(folder) for folder in used]
    return tuple(f"{what}: {some(where)}" for what, where in told.items() if where)
