"""The .npz archives of NumPy, read with every declared type and size checked before anything is allocated."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from mlp_cli.data.content import Content
from mlp_cli.data.dataset import Array
from mlp_cli.errors import DataError, cause_of


def read_npz(path: Path, expected: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
    """The named arrays of bytes (uint8, C order) in an .npz file; `expected` has the shape that each must have.

    Errors: DataError with the path, the array and the reason.
    """
    # Opened once as content, so that a web page or a pointer in its place is named as such.
    with Content(path):
        pass
    try:
        with zipfile.ZipFile(path) as archive:
            return {key: _read_member(archive, key, shape, path) for key, shape in expected.items()}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise DataError(f"{path}: not a usable .npz file ({str(error).lower() or 'truncated'})") from error
    except OSError as error:
        raise DataError(f"{path}: {cause_of(error)}") from error


def _read_member(archive: zipfile.ZipFile, key: str, shape: tuple[int, ...], path: Path) -> Array:
    if f"{key}.npy" not in archive.namelist():
        raise DataError(f"{path}: has no array {key}; it has {', '.join(archive.namelist()[:10]) or 'none'}")
    with archive.open(f"{key}.npy") as member:
        stream = cast(BinaryIO, member)
        version = np.lib.format.read_magic(stream)
        if version != (1, 0):
            raise DataError(f"{path}: array {key} has version {version} of the format; (1, 0) is read")
        declared, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
        if (declared, fortran, dtype) != (shape, False, np.dtype(np.uint8)):
            raise DataError(f"{path}: array {key} is {dtype} {declared}; uint8 {shape} is expected")
        array = np.empty(shape, dtype=np.uint8)
        if member.readinto(array.reshape(-1).data) < array.size or member.read(1):  # type: ignore[attr-defined]
            raise DataError(f"{path}: array {key} does not have the {array.size:,} bytes that it declares")
    return array
