"""Rows to predict, from any file: a table, arrays, a picture or a folder of them, brought to the form that a network was trained on."""

from __future__ import annotations

import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mlp_cli.data.arrays import read_array
from mlp_cli.data.catalogue import Frame
from mlp_cli.data.dataset import Array
from mlp_cli.data.encoding import TableEncoding
from mlp_cli.data.framing import framed
from mlp_cli.data.images import SUFFIXES, Unreadable, decode, picture_files
from mlp_cli.data.own import PLAIN, Own, is_table, resolved
from mlp_cli.data.streams import some
from mlp_cli.data.tables import Table, read_table
from mlp_cli.errors import DataError
from mlp_cli.files import read_bytes
from mlp_cli.text import counted, listed

_LIMIT = 4 << 30
_MOST_PIXELS = 1 << 26  # of a picture that is scaled down
_GREY = np.array([0.299, 0.587, 0.114])
"""How much red, green and blue count for the brightness (ITU-R BT.601), as in Pillow."""


@dataclass(frozen=True)
class Inputs:
    """N rows. x: (N, D), numbers as the file has them, bytes of pictures. names: the N files of pictures, else none. notices: what a
    user should know."""

    x: Array
    names: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


def read_inputs(file: str, shape: Sequence[int], encoding: TableEncoding | None, own: Own, frame: Frame | None = None) -> Inputs:
    """The rows of a file for a network that was trained on rows of a shape.

    file: a path, or - for a table on standard input. encoding: of the network's table, None for arrays and pictures. own: how its
    table was read, and its target. frame: how the grey pictures lie that the network was trained on, where that is known.
    A table's columns are found by their names. For a network of arrays they are the D values in their order, with or without a header.
    Arrays have one row a sample, flat or of the very shape; one of the shape alone is one row. Pictures of another size are scaled,
    grey ones have three equal planes for a network of colours, coloured ones become grey for one of greys. With a frame what they show
    is brought into it (see `framed`).
    Errors: DataError for whatever does not fit, with the column, the line or the picture.
    """
    if file == "-":
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "rows.csv")
            if not path.write_bytes(sys.stdin.buffer.read(_LIMIT)):
                raise DataError("standard input is empty", "send it rows of a table: mlp predict RUN - < FILE.csv")
            try:
                found = _table(path, shape, encoding, own)
            except DataError as error:
                raise DataError(error.message.replace(str(path), "standard input"), error.hint) from error
            return replace(found, notices=tuple(text.replace(str(path), "standard input") for text in found.notices))
    path = resolved(file)
    if is_table(path) and not path.is_dir():
        return _table(path, shape, encoding, own)
    if encoding is not None:
        columns = listed([feature.name for feature in encoding.features], 10)
        raise DataError(f"{path}: not a table, and the network was trained on one", f"its columns were {columns}")
    if path.is_dir() or path.name.lower().endswith(SUFFIXES):
        return _pictures(path, shape, frame)
    x, notices = read_array(path)
    return Inputs(as_rows(x, shape, str(path)), notices=notices)


def given_inputs(x: Any, shape: Sequence[int], encoding: TableEncoding | None, own: Own) -> Inputs:
    """The same for rows in memory: a DataFrame, whose columns are found by their names where the network was trained on a table, or
    an array. Errors: DataError, also for values that are not finite."""
    if encoding is not None and hasattr(x, "columns"):
        numbers = {feature.name for feature in encoding.features if feature.categories is None}
        x = x.astype({name: "Float64" for name in x.columns[x.dtypes.map(lambda each: each.kind == "b")] if name in numbers})
        return _encoded(read_table(Path("x"), Own(), encoding, x), encoding, own)
    rows = as_rows(np.asarray(x), shape, "x")
    if not (finite := np.isfinite(rows).all(axis=1)).all():
        raise DataError(f"x: row {int(np.argmin(finite)):,} (counted from 0) holds values that are not finite")
    return Inputs(rows)


def _table(path: Path, shape: Sequence[int], encoding: TableEncoding | None, own: Own) -> Inputs:
    read = PLAIN if path.suffix.lower() == ".parquet" else own.read
    if encoding is None:
        table = _read(path, Own(read=read if read.header != "infer" else replace(read, header="either")))
        if texts := [name for name in table.features if table.texts(name) is not None]:
            raise table.error(
                f"column {texts[0]} holds texts, and the network takes {counted(int(np.prod(shape)), 'number')} a row"
            )
        x = np.column_stack([table.values(name) for name in table.features])
        if (gaps := np.isnan(x).any(axis=1)).any():
            raise table.error(f"a value is missing {table.where(gaps)}")
        return Inputs(as_rows(x, shape, str(path)), notices=table.notices)
    return _encoded(_read(path, Own(read=read), encoding), encoding, own)


def _read(path: Path, own: Own, encoding: TableEncoding | None = None) -> Table:
    """`read_table`; nobody can say here how a file is to be read, so an error's hint says how that is done."""
    try:
        return read_table(path, own, encoding)
    except DataError as error:
        if "read: {" not in (error.hint or ""):
            raise
        form = f"{(own.read.encoding or 'utf-8').upper()}, {own.read.decimal!r} as the decimal point"
        how = "as the table of training was" if encoding is not None else "as plain numbers"
        raise DataError(error.message, f"it is read {how} ({form}); save it so") from error


def _encoded(table: Table, encoding: TableEncoding, own: Own) -> Inputs:
    """The rows of a table that was read for an encoding."""
    for feature in encoding.features:
        if feature.fill is None and (gaps := table.frame[feature.name].isna().to_numpy()).any():
            told = f"column {feature.name} has no value {table.where(gaps)}"
            raise table.error(told, "give it one; a network that is trained with missing: mean fills gaps")
    targets = [name for name in table.others if name in own.targets]
    others = [name for name in table.others if name not in targets]
    notices = [f"{table.path}: {some(targets)}: predicted here, and not looked at"] if targets else []
    notices += [f"{table.path}: columns that the network does not take: {some(others)}"] if others else []
    return Inputs(encoding.apply(table), notices=(*table.notices, *notices, *encoding.notices(table)))


def as_rows(x: Array, shape: Sequence[int], what: str) -> Array:
    """An array as rows (N, D); one of the shape of a row is one row. what: how errors call it.

    Errors: DataError for anything but numbers, and for rows of another shape, also where only the order of their axes is another.
    """
    shape, width = tuple(shape), int(np.prod(shape))
    if x.dtype.kind not in "buif":
        raise DataError(f"{what}: its rows are {x.dtype}, and the network takes numbers", "convert it: x.astype(float)")
    if not x.size:
        return x.reshape(0, width)
    if x.shape == shape or (x.ndim == 1 and len(x) == width):
        x = x[None]
    found, *accepted = (tuple(size for size in sizes if size > 1) for sizes in (x.shape[1:], shape, (width,)))
    if found not in accepted:
        mine, wanted = (" x ".join(map(str, sizes)) or "1" for sizes in (x.shape[1:], shape))
        also = f", or {width:,} values" if len(shape) > 1 else ""
        hint = "leave out a column of labels" if x.ndim == 2 and x.shape[1] == width + 1 else None
        if x.ndim == 4 and sorted(x.shape[1:]) == sorted(shape):
            hint = f"move its axis of colours: x.transpose{(0, 3, 1, 2) if x.shape[1:3] == shape[1:] else (0, 2, 3, 1)}"
        raise DataError(f"{what}: its rows are {mine}, and the network takes {wanted}{also}", hint)
    return x.reshape(len(x), width)


def _pictures(path: Path, shape: Sequence[int], frame: Frame | None) -> Inputs:
    """The picture at a path, or all in the folder there, in the order of their names; those that cannot be read are left out."""
    first = len(shape) == 3 and shape[0] in (1, 3)
    channels = 1 if len(shape) == 2 else shape[0 if first else -1]
    sizes = tuple(shape[1:] if first else shape[:2])
    if len(shape) not in (2, 3) or channels not in (1, 3):
        wanted = " x ".join(map(str, shape))
        raise DataError(f"{path}: the network takes rows of {wanted} values, which are no pictures", "give arrays, or a table")
    rows, names, told = list[Array](), list[str](), defaultdict[str, list[str]](list)
    for file in picture_files(path) if path.is_dir() else [path]:
        name = os.path.relpath(file, path) if path.is_dir() else file.name
        try:
            pixels, notes = decode(read_bytes(file, _LIMIT, DataError), str(file), _MOST_PIXELS)
        except Unreadable as error:
            told["pictures that cannot be read are left out"].append(f"{name} ({error})")
            continue
        if pixels.ndim == 3 and channels == 1:
            notes.append("pictures in colour are turned to grey")
            pixels = np.round(np.tensordot(_GREY, pixels, 1)).astype(np.uint8)
        if frame is not None and channels == 1:
            pixels, done = framed(pixels, sizes, frame)
            notes = [*notes, *done] if pixels.any() else ["nothing is drawn on it, so its answer means nothing"]
        if pixels.shape[-2:] != sizes:
            notes.append(f"pictures of another size are scaled to {sizes[1]} x {sizes[0]} pixels")
        planes = np.broadcast_to(_scaled(pixels if pixels.ndim == 3 else pixels[None], sizes), (channels, *sizes))
        rows.append((planes if first else planes.transpose(1, 2, 0)).reshape(-1))
        names.append(name)
        for note in notes:
            told[note].append(name)
    notices = tuple(f"{path}: {what}" + (f": {some(which)}" if path.is_dir() else "") for what, which in told.items())
    if not rows:
        hint = f"read are {', '.join(SUFFIXES)}; of a set of arrays name the file with the rows"
        raise DataError("; ".join([f"{path}: holds no picture that can be read", *notices]), hint)
    x = np.array(rows) if frame is None or frame.white == 255 else np.array(rows) * (frame.white / 255)
    return Inputs(x, tuple(names), notices)


def _scaled(planes: Array, size: Sequence[int]) -> Array:
    """Planes (C, h, w) uint8 at another (height, width): blocks are averaged, or values interpolated."""
    from PIL import Image

    if planes.shape[1:] == tuple(size):
        return planes
    new = (size[1], size[0])
    return np.stack([np.asarray(Image.fromarray(plane).resize(new, Image.Resampling.BILINEAR)) for plane in planes])
