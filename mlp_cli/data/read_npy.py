"""NumPy's .npy and .npz files from outside; types, shapes and sizes are checked before anything is allocated, and no pickle is run.

Archives that this program wrote itself go through `mlp_cli.data.npz`; the official archive of a known set through `read_npz`.
"""

from __future__ import annotations

import ast
import math
import re
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mlp_cli.data.content import Content
from mlp_cli.data.dataset import Array
from mlp_cli.data.pieces import Pieces, assemble, choose
from mlp_cli.data.read_zip import open_zip
from mlp_cli.data.streams import Buffered, Source
from mlp_cli.errors import DataError, cause_of

_MAGIC = b"\x93NUMPY"
_MOST_HEADER = 10_000
_MOST_DIMENSIONS = 8
_LARGEST = 16 << 30
_TYPE = re.compile(r"([<>=|]?)([a-zA-Z?])(\d{0,4})")
_NUMBERS = {"b": (1,), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (2, 4, 8)}
_SUFFIXES = (".npy", ".npy.gz", ".npy.xz")


def read_npy(path: Path) -> Array:
    """The array in a .npy file (also .gz and .xz): C order, native byte order, of the file's own numeric type and shape.

    Errors: DataError with the path and the reason.
    """
    with Content(path) as content:
        stream = Buffered(content)
        array = parse_npy(stream)
        if not stream.at_end():
            raise content.error("longer than it should be: more bytes follow the array's")
    return array


def read_npz(path: Path, names: Mapping[str, str] | None = None) -> dict[str, Array]:
    """Arrays of a .npz file by role (train_x, train_y … test_y); those whose key means nothing are left unread.

    names: role → key, to choose arrays where the keys alone do not tell (see `pieces.choose`).
    Errors: DataError with the path, the array and the reason; where no key fits, it says which there are.
    """
    with open_zip(path) as members:
        # Another file in the archive is no array, and no key either.
        found = {name.removesuffix(".npy"): member for name, member in members.items() if name.endswith(".npy")}
        arrays = {}
        for role, key in choose(found, str(path), names).items():
            stream = Buffered(found[key])
            arrays[role] = parse_npy(stream)
            if not stream.at_end():
                raise found[key].error("longer than it should be: more bytes follow the array's")
    return arrays


def read_npy_set(path: Path, names: Mapping[str, str] | None = None) -> Pieces:
    """The set in a .npz file, or in a folder of .npy files that are named as the arrays of a .npz file would be.

    names: as for `read_npz`. Errors: DataError.
    """
    return assemble(_read_folder(path, names) if path.is_dir() else read_npz(path, names), str(path))


def npy_files(folder: Path) -> dict[str, Path]:
    """The .npy files of a folder by their names without the suffix, sorted; a plain file goes before .gz, that before .xz."""
    found: dict[str, Path] = {}
    for suffix in _SUFFIXES:
        for path in sorted(folder.iterdir()):
            if path.name.endswith(suffix) and not path.name.startswith("."):
                found.setdefault(path.name.removesuffix(suffix), path)
    return dict(sorted(found.items()))


def _read_folder(folder: Path, names: Mapping[str, str] | None) -> dict[str, Array]:
    try:
        found = npy_files(folder)
    except OSError as error:
        raise DataError(f"{folder}: {cause_of(error)}") from error
    return {role: read_npy(found[key]) for role, key in choose(found, str(folder), names).items()}


def parse_npy(stream: Buffered) -> Array:
    """The array that starts at a stream's place, as `read_npy`. Errors: DataError."""
    source = stream.source
    start = stream.read(8)
    if start[:6] != _MAGIC:
        raise source.error(f"not a .npy file; starts with bytes {start[:6].hex(' ')}")
    if start[6] not in (1, 2, 3):
        raise source.error(f"has version {start[6]}.{start[7]} of the .npy format; 1 to 3 are read")
    length = int.from_bytes(stream.read(2 if start[6] == 1 else 4), "little")
    if length > _MOST_HEADER:
        raise source.error(f"not a usable .npy file: its header declares a length of {length:,} bytes")
    dtype, fortran, shape = _header(stream.read(length), source)
    size = math.prod(shape) * dtype.itemsize
    if size > _LARGEST:
        raise source.error(f"declares an array of shape {shape} = {size:,} bytes, more than the limit of {_LARGEST:,}")
    array = stream.read_array(size).view(dtype).reshape(shape[::-1] if fortran else shape)
    return np.ascontiguousarray(array.T if fortran else array, dtype=dtype.newbyteorder("=")).reshape(shape)


def _header(text: bytes, source: Source) -> tuple[np.dtype, bool, tuple[int, ...]]:
    try:
        # Long integers of Python 2 end in L.
        plain = re.sub(r"(?<=\d)L(?=[,) ])", "", text.decode("latin1"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = ast.literal_eval(plain.strip())
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError) as error:
        raise source.error("not a usable .npy file: damaged header") from error
    if not isinstance(header, dict) or set(header) != {"descr", "fortran_order", "shape"}:
        raise source.error("not a usable .npy file: damaged header")
    descr, fortran, shape = header["descr"], header["fortran_order"], header["shape"]
    if type(fortran) is not bool or not isinstance(shape, tuple) or not all(type(size) is int and size >= 0 for size in shape):
        raise source.error("not a usable .npy file: damaged header")
    if len(shape) > _MOST_DIMENSIONS or any(size > _LARGEST for size in shape):
        raise source.error(f"declares an array of {len(shape)} dimensions, up to {max(shape):,} long: more than can be read")
    return numeric_type(descr, source), fortran, shape


def numeric_type(descr: object, source: Source) -> np.dtype:
    """The dtype that a text such as `<f4` stands for; DataError, said with its reason, for anything but plain numbers."""
    if isinstance(descr, list | tuple):
        raise source.error("holds a structured array; plain arrays of numbers are read")
    match = _TYPE.fullmatch(descr) if isinstance(descr, str) else None
    if not match:
        raise source.error("not a usable array: damaged type")
    order, kind, size = match.groups()
    if kind == "O":
        raise source.error("holds Python objects, which can run code when read", "save it again as an array of numbers")
    if kind == "?":
        kind, size = "b", "1"
    if not size or int(size) not in _NUMBERS.get(kind, ()):
        raise source.error(f"holds values of type {kind}{size}; whole numbers, truth values and floats are read")
    return np.dtype(f"{order.replace('|', '') or '='}{kind}{size}")
